# All workers hang in requests of their own: no face answers any more, the command does.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

my $workers = 10;
my $limits = mpm() eq 'prefork'
  ? "StartServers $workers\nMinSpareServers 1\nMaxSpareServers $workers\nServerLimit $workers\nMaxRequestWorkers $workers\n"
  # one child: of two, event's now and then takes a connection for which the other had a worker
  : "StartServers 1\nServerLimit 1\nThreadsPerChild $workers\nThreadLimit $workers\nMinSpareThreads 1\nMaxSpareThreads $workers\nMaxRequestWorkers $workers\n";
my $s = PST::Server->new('command-hung', limits => $limits);
ok($s->start, 'a server') or BAIL_OUT($s->log_text);
my $parent = $s->json->{server}{parent_pid};
my @p = map PST::Probe->start("pool=request&bytes=@{[ 1_000_000 + 100_000 * $_ ]}", port => $s->port), 1 .. $workers;

# Nobody of this server can be asked: its board can.
my %found;
ok(wait_for(sub {
    my $json = poolstat_json('--pid', $parent) or return;
    %found = map { my $p = $_; my $row = row_of($json, $p->name); $row && $row->{state} eq 'handler' && $row->{request}{reserved_bytes} > 1_000_000
        ? ($p->name => $row) : () } @p;
    return keys %found == $workers;
}, 30), 'the command sees a request in every worker') or diag(explain(\%found));

my $stuck = PST::Conn->new($s->port);
$stuck->get('/pool-status/json');
my $answer = $stuck->response(timeout => 1);
isnt($answer->{status}, 200, 'the face hangs as everything does');

for my $what ([], ['text'], ['metrics'], ['history'], ['watch', '-n', 1, '-i', 0.1]) {
    my $r = poolstat(@$what, '--pid', $parent);
    is($r->{status}, 0, "poolstat @$what") or diag($r->{err});
    cmp_ok($r->{took}, '<', 5, 'at once');
}
my $table = poolstat({ COLUMNS => 200 }, '--pid', $parent, '--limit', 100);
my @missing = grep { $table->{out} !~ /\Q@{[ $_->name ]}\E/ } @p;
is(scalar @missing, 0, 'the table has all requests');
my ($first) = $table->{out} =~ /^\d+ of \d+ connections\n.*\n(.*)$/m;
like($first, qr/\Q@{[ $p[-1]->name ]}\E/, 'the largest first');
like(poolstat('doctor', '--pid', $parent)->{status}, qr/^[01]$/, 'the doctor answers');
SKIP: {
    my $tree = poolstat('tree', $found{ $p[0]->name }{pid}, '--json');
    skip "other users' processes cannot be read here", 1 if $tree->{err} =~ /may (?:not )?be read,? (?:not even )?by root/;
    is($tree->{status}, 0, 'so does tree');
}
$stuck->close;
$_->conn->close for @p;
my @pids = ($parent, $s->pid, $s->child_pids, map $_->{pid}, @{ poolstat_json('--pid', $parent)->{children} });
PST::Server::kill_all([ $parent, $s->pid ], @pids);
ok(wait_for(sub { $s->ended; !grep { kill 0 => $_ } @pids }), 'all of it is ended');
done_testing;
