# A child that ended abruptly while it was large: who had it, what it served, by which signal, and that the kernel's OOM
# killer was it not. A small one is no finding; nor is any that httpd ended itself.
use strict;
use warnings;
use PST;
use PST::Server;
use PST::Command;
use Test::More;

my $s = PST::Server->new('losses', cores => 0);
$s->start or BAIL_OUT($s->start_text . $s->log_text);

sub findings { return grep { $_->{id} eq 'child-lost' } @{ $s->json->{findings} } }
sub loss_of { my ($pid) = @_; return (grep { $_->{pid} == $pid } @{ $s->json->{losses} // [] })[0] }

# Kill the child that a request of the probe is in. @return what is told of it, and its pid
sub lose {
    my ($signal, $query) = @_;
    my $held = PST::Probe->start($query, port => $s->port, ask => $s->port);
    $held->arrived('hold') or return;
    my ($row, $loss);
    wait_for(sub { $row = row_of($s->json, $held->name) }, 15) or return;
    kill $signal => $row->{pid};
    wait_for(sub { $loss = eval { loss_of($row->{pid}) } }, 20);    # who is killed may be who answers
    $held->conn->close;
    return ($loss, $row->{pid}, $held);
}

is(scalar(@{ $s->json->{losses} // ['none'] }), 0, 'none yet');
my $lost = $s->json->{server}{children_lost};
is($lost, 0, 'none counted');

my ($loss, $pid, $held) = lose(KILL => 'pool=request&bytes=200000000&chunk=1000000');
ok($loss, 'a child that was killed with 200 MB in a request') or done_testing, exit;
is($loss->{signal_name}, 'SIGKILL', 'by SIGKILL');
is($loss->{signal_known_by}, 'silent', 'which httpd does not log');
cmp_ok($loss->{own_bytes}, '>=', 200_000_000, 'what it had');
is($loss->{largest_part}, 'requests', 'most of it in requests');
cmp_ok($loss->{parts}{requests}, '>=', 200_000_000, 'all of that');
is($loss->{blamed}, 'mod_poolprobe.so', 'by the probe') or diag(explain($loss));
like($loss->{requests}[0]{line}, qr/\Q@{[$held->name]}\E|poolprobe/, 'its request');
ok(!$loss->{requests}[0]{finished}, 'which it served');
cmp_ok($loss->{requests}[0]{reserved_bytes}, '>=', 200_000_000, 'and what that had');
cmp_ok(abs($loss->{ended} - time), '<', 120, 'just now');
if (defined $loss->{oom_killed}) {
    is($loss->{oom_killed} ? 1 : 0, 0, 'the OOM killer was it not');
}
else {
    pass('this machine tells nothing of its OOM killer: that is null');
}
my ($finding) = findings();
ok($finding, 'a finding');
is($finding->{severity}, 'warning', 'a warning');
like($finding->{what}, qr/19\d MiB.*process $pid, by SIGKILL/, 'what: how large, who, by what');
like($finding->{evidence}, qr/pools of requests.*It served: /, 'evidence: where it was, what was served');
is($finding->{blamed}, 'mod_poolprobe.so', 'whose');
is($s->json->{server}{children_lost_large}, 1, 'counted as large');

my ($small, $second) = lose(TRAP => 'pool=request&bytes=1000000');
ok($small, 'one that another signal ended while it was small');
is($small->{signal_name}, 'SIGTRAP', 'by SIGTRAP');
is($small->{signal_known_by}, 'logged', 'as httpd logged');
ok(!$small->{oom_killed}, 'no OOM killer');
is(scalar(findings()), 1, 'no other finding');

my ($heap, $third) = lose(TRAP => 'heap=200&heap_bytes=1000000&pool=none');
ok($heap, 'one with 200 MB of the heap');
is($heap->{largest_part}, 'heap_in_use', 'most of it in the heap') or diag(explain($heap));
cmp_ok($heap->{own_bytes}, '>=', 150_000_000, 'as far as it was seen');
is($heap->{blamed}, 'mod_poolprobe.so', 'by the probe');
is(scalar(findings()), 2, 'a second finding');

my $json = $s->json;
is($json->{server}{children_lost}, 3, 'all are counted');
my $page = $s->fetch('/pool-status')->{body};
like($page, qr/Children that ended abruptly/, 'a table on the page');
like($page, qr{<th scope="row">$pid</th>}, 'with the first');
my $metrics = $s->fetch('/pool-status/metrics')->{body};
like($metrics, qr/^poolstat_children_lost_total 3\b/m, 'metrics count them');
like($metrics, qr/^poolstat_finding\{[^}]*child-lost/m, 'and have the finding');

ok($s->graceful, 'a graceful restart');
ok(wait_for(sub { my $j = eval { $s->json }; $j && $j->{generations}[-1]{generation} }, 20), 'a new generation');
is($s->json->{server}{children_lost}, 3, 'whom httpd ends is not lost');
is(scalar(@{ $s->json->{losses} }), 3, 'those from before are there still');

is($s->stop, 0, 'stops in order');
SKIP: {
    skip 'the board is gone with the server', 2 unless -e $s->board;
    my $r = poolstat('doctor', '--file', $s->board);
    like($r->{out}, qr/child-lost.*process $pid/s, 'poolstat doctor has it post mortem') or diag($r->{err});
    like($r->{out}, qr/It served: /, 'with what it served');
}
done_testing;
