#!/bin/sh
# Waits for the builds of a revision: exits with 0 if they are good, 1 if not, 2 if nobody can tell.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo "usage: $0 BASE_URL REVISION [BUILDER]" >&2
  exit 2
fi
token() { # Goes to curl through a pipe, so that `ps` does not show it.
  if [ -n "${BELFRY_TOKEN:-}" ]; then printf 'header = "Authorization: Bearer %s"\n' "$BELFRY_TOKEN"; fi
}
url=${1%/}
call() { # METHOD PARAMS FILTER: what the filter of jq makes of the result
  body=$(jq -cn --arg method "$1" --argjson params "$2" '{jsonrpc: "2.0", id: 1, $method, $params}') || exit 2
  answer=$(token | curl -sS -m 60 -K - -H 'Content-Type: application/json' -d "$body" "$url/rpc") || exit 2
  refusal='.error | [.message, .data.why, .data.fix | strings] | join(" ") + "\n" | halt_error(2)'
  printf '%s\n' "$answer" | jq -c "if .result then .result | $3 else $refusal end" || exit 2
}

only=$(jq -cn --arg builder "${3:-}" 'if $builder == "" then {} else {$builder} end')
wanted=$(jq -cn --arg revision "$2" --argjson only "$only" '{$revision, limit: 100} + $only')
deadline=$(($(date +%s) + ${BELFRY_TIMEOUT:-3600}))
if [ -n "${3:-}" ]; then call builders.get "$only" empty; fi # Refused if there is none of this name.
news=$(jq -cn --argjson only "$only" '{types: ["request.finished"], waitSeconds: 0} + $only')
while :; do
  position=$(call events.since "$news" .next)
  buildsets=$(call builds.list "$wanted" '[.items[].buildset] | unique[]')
  requests=
  for id in $buildsets; do requests=$requests$(call buildsets.get "{\"buildset\": $id}" '.requests[]'); done
  newest=$(printf '%s\n' "$requests" | jq -cs --argjson only "$only" \
    'map(select(.builder == ($only.builder // .builder))) | group_by(.builder) | map(max_by(.id))')
  if printf '%s\n' "$newest" | jq -e '. != [] and all(.state == "complete")' >/dev/null; then break; fi
  left=$((deadline - $(date +%s)))
  if [ $left -le 0 ]; then echo "The builds of $2 have not ended in time." >&2 && exit 2; fi
  news=$(printf '%s\n' "$news" | jq -c ".since = $position | .waitSeconds = ([$left, 25] | min)")
done
numbers=$(call builds.list "$wanted" '[.items | reverse[] | {"\(.request)": .number}] | add')
printf '%s\n' "$newest" | jq -r --argjson numbers "$numbers" \
  'sort_by(.id)[] | "\(.builder) \($numbers["\(.id)"] // "-"): \(.result)"'
printf '%s\n' "$newest" | jq -e 'all(.result == "success" or .result == "warnings")' >/dev/null
