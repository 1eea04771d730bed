#!/usr/bin/env php
<?php // Waits for the builds of a revision: exits with 0 if they are good, 1 if not, 2 if nobody can tell.
set_exception_handler(function (Throwable $error) {
    fwrite(STDERR, "{$error->getMessage()}\n");
    exit(2);
});
if ($argc < 3 || $argc > 4) throw new Exception("usage: $argv[0] BASE_URL REVISION [BUILDER]");
$only = isset($argv[3]) ? ['builder' => $argv[3]] : [];
$wanted = ['revision' => $argv[2], 'limit' => 100] + $only;
$deadline = time() + (getenv('BELFRY_TIMEOUT') ?: 3600);
$token = getenv('BELFRY_TOKEN');
$headers = ['Content-Type: application/json', ...($token ? ["Authorization: Bearer $token"] : [])];
$http = curl_init(rtrim($argv[1], '/') . '/rpc');
curl_setopt_array($http, [CURLOPT_HTTPHEADER => $headers, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 60]);
$call = function (string $method, array $params) use ($http): array {
    $request = ['jsonrpc' => '2.0', 'id' => 1, 'method' => $method, 'params' => $params];
    curl_setopt($http, CURLOPT_POSTFIELDS, json_encode($request, JSON_THROW_ON_ERROR));
    $answer = json_decode(curl_exec($http) ?: throw new Exception(curl_error($http)), true);
    if (isset($answer['result'])) return $answer['result'];
    if (!isset($answer['error']['message'])) throw new Exception('The answer is no JSON-RPC.');
    ['message' => $what, 'data' => $data] = $answer['error'] + ['data' => []];
    throw new Exception(trim("$what " . ($data['why'] ?? '') . ' ' . ($data['fix'] ?? '')));
};
if ($only) $call('builders.get', $only); // Refused if there is none of this name, which would never build.
$news = ['types' => ['request.finished'], 'waitSeconds' => 0] + $only;
while (true) {
    $news['since'] = $call('events.since', $news)['next'];
    $buildsets = array_unique(array_column($call('builds.list', $wanted)['items'], 'buildset'));
    sort($buildsets);
    $requests = array_map(fn($id) => $call('buildsets.get', ['buildset' => $id])['requests'], $buildsets);
    $newest = array_column(array_merge(...$requests), null, 'builder'); // Later ones replace earlier ones.
    if ($only) $newest = array_intersect_key($newest, [$only['builder'] => true]);
    if ($newest && array_unique(array_column($newest, 'state')) === ['complete']) break;
    $news['waitSeconds'] = min(25, $deadline - time());
    if ($news['waitSeconds'] <= 0) throw new Exception("The builds of $argv[2] have not ended in time.");
}
$numbers = array_column(array_reverse($call('builds.list', $wanted)['items']), 'number', 'request');
foreach ($newest as $one) echo $one['builder'], ' ', $numbers[$one['id']] ?? '-', ": $one[result]\n";
exit(array_diff(array_column($newest, 'result'), ['success', 'warnings']) ? 1 : 0);
