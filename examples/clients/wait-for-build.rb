#!/usr/bin/env ruby
# Waits for the builds of a revision: exits with 0 if they are good, 1 if not, 2 if nobody can tell.
require "xmlrpc/client"

unless ARGV.size.between?(2, 3)
  warn "usage: #{$PROGRAM_NAME} BASE_URL REVISION [BUILDER]"
  exit 2
end
url, revision, builder = ARGV
only = { "builder" => builder }.compact
wanted = { "revision" => revision, "limit" => 100 }.merge(only)
token = ENV.fetch("BELFRY_TOKEN", "")
newest = []
begin
  deadline = Time.now + Float(ENV.fetch("BELFRY_TIMEOUT", 3600))
  master = XMLRPC::Client.new2("#{url.chomp("/")}/xmlrpc", nil, 60)
  master.http_header_extra = { "Authorization" => "Bearer #{token}" } unless token.empty?
  master.call("builders.get", only) if builder # Refused if there is none of this name, which would never build.
  news = { "types" => ["request.finished"], "waitSeconds" => 0 }.merge(only)
  loop do
    news["since"] = master.call("events.since", news)["next"]
    buildsets = master.call("builds.list", wanted)["items"].map { |build| build["buildset"] }.uniq.sort
    requests = buildsets.flat_map { |id| master.call("buildsets.get", { "buildset" => id })["requests"] }
    requests.select! { |request| request["builder"] == builder } if builder
    newest = requests.group_by { |request| request["builder"] }.values.map(&:last)
    break if newest.any? && newest.all? { |request| request["state"] == "complete" }

    news["waitSeconds"] = [deadline - Time.now, 25].min
    raise "The builds of #{revision} have not ended in time." unless news["waitSeconds"].positive?
  end
  numbers = master.call("builds.list", wanted)["items"].reverse.to_h { |build| build.values_at("request", "number") }
  newest.each { |request| puts "#{request["builder"]} #{numbers.fetch(request["id"], "-")}: #{request["result"]}" }
rescue StandardError => e
  warn "#{$PROGRAM_NAME}: #{e.message}"
  exit 2
end
exit newest.all? { |request| %w[success warnings].include?(request["result"]) }
