# PoolStatInstrument Off: nothing is patched, figures come from hooks, and all faces say so.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('off', conf => "PoolStatInstrument Off\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

my $p = PST::Probe->start('pool=request&bytes=5000000', port => $s->port, ask => $s->port);
$p->arrived('hold');
my $json = $s->json;
ok(!$json->{server}{instrumented}, 'the server says it is not instrumented');
is(scalar(grep { $_->{instrumented} } @{ $json->{children} }), 0, 'each child too');
my %level = map { ($_->{level} // '' => 1) } @{ $json->{children} };
is(join(' ', keys %level), 'hooks', 'their level is hooks');
is(scalar(grep { !length $_->{reason} } @{ $json->{children} }), 0, 'with a reason');
like($s->fetch('/pool-status')->{body}, qr/not fully instrumented|PoolStatInstrument/, 'the page says so');

# what nobody counts is not 0: null, a dash, no sample
my @unknown = qw(held_bytes retained_bytes bucket_bytes growths pools_created child_reserved_bytes unexplained_bytes);
is(join(' ', grep { defined $json->{total}{$_} } grep { exists $json->{total}{$_} } @unknown), '', 'in the total null');
for my $c (@{ $json->{children} }) {
    is(join(' ', grep { !exists $c->{$_} || defined $c->{$_} } @unknown), '', 'of a child null, and there');
    ok($c->{reserved_bytes} > 0 && $c->{process}{reserved_bytes} > 0, 'what was walked is a figure');
}
my $auto = $s->fetch('/pool-status?auto')->{body};
like($auto, qr/^TotalHeldBytes: -$/m, 'a dash in text');
like($auto, qr/^Child\.\d+\.RetainedBytes: -$/m, 'of a child, too');
unlike($s->fetch('/pool-status/metrics')->{body}, qr/^poolstat_(?:held|retained|bucket|child_reserved)_bytes\{/m, 'no sample in the metrics');
my $page = $s->fetch('/pool-status')->{body};
like($page, qr/title="[^"]*not known[^"]*"[^>]*>-</, 'a dash on the page') or diag($page =~ /(.{200}not known.{100})/s ? $1 : 'not known is not said');
unlike($page, qr/<title>[^<]*0 B held/, 'and none in its title') if $page =~ /held<\/title>/;

my $row = row_of($json, $p->name);
is($row->{bucket_bytes}, undef, "a connection's buckets null");
ok($row, 'connections and requests are listed all the same');
is($row->{request}{handler}, 'poolprobe', 'with what they do');
is($p->finish->{status}, 200, 'answered');

# at hook points figures are exact: a connection that is idle was walked when its request ended
my $conn = PST::Conn->new($s->port);
my $held = PST::Probe->start('pool=connection&bytes=12000000', conn => $conn, port => $s->port, ask => $s->port);
my $report = $held->arrived('hold');
my $at = row_of($s->json, $held->name);
$held->finish;
my $idle;
ok(wait_for(sub { $idle = row_by_id($s->json, $at->{pid}, $at->{id}); $idle && !serves($idle) && $idle->{reserved_bytes} >= 12000000 }, 10),
    "after the request the connection's bytes are known") or diag(explain($idle));
is($s->fetch('/small.txt')->{status}, 200, 'file ' . $_) for 1 .. 20;
$conn->close;
ok(wait_for(sub { !row_by_id($s->json, $at->{pid}, $at->{id}) }, 10), 'the row goes with the connection');

ok($s->graceful, 'a graceful restart');
ok($s->answers(10), 'answers');
my $pid = $s->json->{children}[0]{pid};
kill KILL => $pid;
ok(wait_for(sub { my $j = eval { $s->json }; $j && !child_of($j, $pid) }, 15), 'a killed child leaves the board');
my @said = grep /PST\d{4}:/, split /\n/, $s->log_text;
is(scalar(grep /error\]|crit\]|alert\]/, @said), 0, 'no error: it is what was asked for') or diag("@said");
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal (?!Killed)/, 'no crash');
done_testing;
