#!/usr/bin/env perl
# Waits for the builds of a revision: exits with 0 if they are good, 1 if not, 2 if nobody can tell.
use strict;
use warnings;
use List::Util qw(all min uniq);
use RPC::XML qw(RPC_STRING);    # Without it a revision such as 1234567 would be sent as a number.
use RPC::XML::Client;

sub fail { print STDERR "@_\n"; exit 2 }
fail("usage: $0 BASE_URL REVISION [BUILDER]") if @ARGV < 2 || @ARGV > 3;
$RPC::XML::ENCODING = 'UTF-8';
binmode $_, ':utf8' for *STDOUT, *STDERR;
utf8::decode($_) for @ARGV;
my ($url, $revision, $builder) = @ARGV;
my %only     = defined $builder ? (builder => RPC_STRING($builder)) : ();
my %wanted   = (revision => RPC_STRING($revision), limit => 100, %only);
my $deadline = time + ($ENV{BELFRY_TIMEOUT} || 3600);
my $master   = RPC::XML::Client->new($url =~ s{/?$}{/xmlrpc}r, useragent => [timeout => 60]);
$master->error_handler(sub { fail("$0: $_[0]") });
$master->fault_handler(sub { fail("$0: " . $_[0]->string) });
$master->request->header(Authorization => "Bearer $ENV{BELFRY_TOKEN}") if $ENV{BELFRY_TOKEN};
sub call { return eval { $master->simple_request(@_) } // fail("$0: $@") }

call('builders.get', \%only) if %only;    # Refused if there is none of this name, which would never build.
my @newest;
my %news = (types => ['request.finished'], waitSeconds => 0, %only);
while (1) {
    $news{since} = RPC_STRING(call('events.since', \%news)->{next});
    my @buildsets = uniq sort { $a <=> $b } map { $_->{buildset} } @{ call('builds.list', \%wanted)->{items} };
    my @requests  = map { @{ call('buildsets.get', { buildset => $_ })->{requests} } } @buildsets;
    my %newest    = map { $_->{builder} => $_ } grep { !%only || $_->{builder} eq $builder } @requests;
    @newest = sort { $a->{id} <=> $b->{id} } values %newest;
    last if @newest && all { $_->{state} eq 'complete' } @newest;
    $news{waitSeconds} = min(25, $deadline - time);
    fail("$0: The builds of $revision have not ended in time.") if $news{waitSeconds} <= 0;
}
my %number = map { $_->{request} => $_->{number} } reverse @{ call('builds.list', \%wanted)->{items} };
print "$_->{builder} ", $number{ $_->{id} } // '-', ": $_->{result}\n" for @newest;
exit((all { $_->{result} =~ /^(success|warnings)$/ } @newest) ? 0 : 1);
