# Children that MaxConnectionsPerChild ends after some seconds are never old enough for a verdict. Each judges its life as it ends: those that
# grow until then are a finding, which stays; those that only warm up are none.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'once is enough: children end alike on each MPM' unless mpm() eq 'prefork';
plan skip_all => 'the sanitizer keeps what is freed: children grow' if stage()->{san};
my $limits = "StartServers 4\nMinSpareServers 4\nMaxSpareServers 4\nServerLimit 4\nMaxRequestWorkers 4\nMaxConnectionsPerChild 110\n";
my %server = map { my $s = PST::Server->new("lives-$_", limits => $limits); ok($s->start, "$_: a server") or BAIL_OUT($s->log_text); ($_ => $s) } qw(grows healthy);
my %path = (grows => '/poolprobe?heap=1&heap_bytes=30000&pool=none&output=2', healthy => '/poolprobe?heap=1&heap_bytes=30000&heap_free=all&pool=none&output=2');

sub lives { my ($json) = @_; return $json->{generations}[-1] }
sub finding { my ($json) = @_; return (grep { $_->{id} eq 'grows-within-lives' } @{ $json->{findings} })[0] }

# each connection is one request; two or three lives of each child, of five seconds or more
my (%json, %found, %lost, $looked);
my $begun = time;
my ($n, $bad) = (0, 0);
while (time < $begun + 120) {
    my $next = $begun + ++$n / 80;
    for (keys %server) { $bad++ unless $server{$_}->fetch($path{$_})->{status} == 200 }
    sleep $next - time if $next > time;
    next if $looked && time < $looked + 1;
    $looked = time;
    for (keys %server) {
        $json{$_} = $server{$_}->json;
        $found{$_} ? ($lost{$_} += !finding($json{$_})) : ($found{$_} = finding($json{$_}));
    }
    last if lives($json{grows})->{lives_judged} >= 10 && lives($json{healthy})->{lives_judged} >= 10;
}
note(sprintf '%.0f s, %d requests of each', time - $begun, $n);
is($bad, 0, 'all answered');
cmp_ok(lives($json{$_})->{lives_judged}, '>=', 10, "$_: lives were judged") for sort keys %server;
my ($f, $of) = ($found{grows}, lives($json{grows}));
ok($f, 'children that grow until they end: a finding') or diag(explain($of));
is($lost{grows} // 0, 0, 'which stays');
cmp_ok($of->{lives_rising}, '>=', 0.8 * $of->{lives_judged}, 'most of them grew');
cmp_ok($of->{lives_gained_bytes} / ($of->{lives_rising} || 1), '>', 1.5e6, 'by what they kept');
like($f->{what}, qr/^Children grow until they end: by [\d.]+ MiB of RSS each/, 'what') if $f;
my $quiet = lives($json{healthy});
ok(!$found{healthy}, 'children that warm up: none') or diag(explain($quiet));
cmp_ok($quiet->{lives_rising}, '<', 0.5 * $quiet->{lives_judged}, 'far from it');
for (sort keys %server) { is($server{$_}->stop, 0, "$_ stops") }
done_testing;
