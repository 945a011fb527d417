# poolstat tree beside a debugger: gdb stops a child and walks its pools by raw memory, from offsets that were found by
# public calls. Pool by pool, both must say the same, in the same order.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
plan skip_all => lacks('gdb') if lacks('gdb');
plan skip_all => 'AddressSanitizer brings a debugger of its own' if stage()->{san};

my $s = PST::Server->new('command-gdb', limits => "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMaxRequestWorkers 10\n");
ok($s->start, 'a server with one child') or BAIL_OUT($s->start_text . $s->log_text);
my @p = map { PST::Probe->start($_, port => $s->port, ask => $s->port) }
  'pool=subpool&bytes=100000&pieces=30', 'pool=subpool&many=20&bytes=30000&tag=each', 'pool=connsub&bytes=12345&pieces=7', 'pool=request&bytes=5000001';
$_->arrived('hold') for @p;
my $pid    = $p[0]->arrived('hold')->{pid};
my $answer = $s->fetch('/poolprobe?layout=1')->{body};
my $layout = json_of($answer) or BAIL_OUT("the probe says no layout: $answer");
is($layout->{pid}, $pid, 'the child tells its layout');
is(join(' ', grep { $layout->{$_} < 0 } qw(child sibling tag active)), '', 'all of it was found') or BAIL_OUT($answer);

sub tree { my $r = poolstat('tree', $pid, '--json'); return $r->{status} == 0 ? json_of($r->{out}) : do { diag($r->{err}); undef } }
sub gdb {
    local $ENV{POOLS_LAYOUT} = $answer;
    my $said = `gdb -nx -q -batch -iex 'set auto-solib-add off' -iex 'set debuginfod enabled off' -p $pid -x @{[ stage()->{top} ]}/t/command/dump_pools.py 2>&1`;
    return ($said, map json_of($_), $said =~ /^(\{.*\})$/mg);
}

# who asked last is gone, all others wait
my $look = sub { return child_of(poolstat_json('--pid', $s->pid) || { children => [] }, $pid) || {} };
ok(wait_for(sub { ($look->()->{connections_open} // 0) == @p }), 'it is quiet') or diag(explain($look->()->{connections}));
PST::Server::freeze($pid);
my $before = tree();
ok($before, 'the tree') or BAIL_OUT('nothing to compare');
my ($said, @gdb) = gdb();
SKIP: {
    skip 'gdb may not attach here', 4 if $said =~ /ptrace: (?:Operation not permitted|Inappropriate)|Scripting in the "Python" language is not supported/;
    PST::Server::freeze($pid);
    my $after = tree();
    ok($before->{one_moment} && $after && $after->{one_moment}, 'read whole');
    my $line = sub { my ($at, $tag, $nodes, $size, $free) = @_; return "$at " . ($tag // '(none)') . ": $nodes nodes, $size bytes, $free free" };
    my @lists = map [ map $line->(@$_{qw(at tag nodes reserved_bytes)}, $_->{reserved_bytes} - $_->{used_bytes}), grep !$_->{unmanaged}, below($_) ], $before, $after;
    my @gdb_says = map $line->(@$_{qw(at tag nodes size free)}), @gdb;
    cmp_ok(scalar @gdb, '>=', 60, 'gdb finds ' . @gdb . ' pools') or diag($said);
    is(join("\n", @{ $lists[0] }), join("\n", @gdb_says), 'poolstat tree found the same before: pools, order, tags, nodes, sizes, free bytes');
    is(join("\n", @{ $lists[1] }), join("\n", @gdb_says), 'and after');
    cmp_ok(scalar(grep { $_->{nodes} > 1 } @gdb), '>=', 5, 'some of many nodes');
}

# What lies below the pool that gdb began at.
sub below {
    my ($tree) = @_;
    my %in = ($layout->{root} => 1);
    return grep { $in{ $_->{at} } ||= $in{ $_->{parent} // '' } } @{ $tree->{pools} };
}

PST::Server::thaw($pid);
for (@p) { $_->finish; $_->conn->close }
is($s->stop, 0, 'stops');
done_testing;
