# Pools, allocators and buckets in the wrong hands: each misuse of a module is told with the function that did it, and of
# those that stand beside it, done right, none is. POOLSTAT_TIMES=20: each so often, with a child of its own.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

my $top   = stage()->{top};
my $times = $ENV{POOLSTAT_TIMES} || 1;
my $is_threaded = mpm() ne 'prefork';

# query, the kind that is to be told, what is told, by which function; and the second stack's; both: two requests at once
my @cases = (
    [ 'below',   'late-subpool',       qr/^pool$/,      qr/ poolhands_below\b/ ],
    [ 'dead',    'late-register',      qr/^pool$/,      qr/ poolhands_dead\b/, qr/ poolhands_end\b/ ],
    [ 'itself',  'double-destroy',     qr/^pool$/,      qr/ poolhands_itself\b/, qr/ poolhands_end\b/ ],
    [ 'twice',   'bucket-freed-twice', qr/^bucket$/,    qr/ poolhands_twice\b/, qr/ poolhands_twice\b/ ],
    [ 'written', 'bucket-written-after-free', qr/^bucket$/, qr/ poolhands_free\b/ ],
    [ 'foreign', 'foreign-bucket',     qr/^IMMORTAL /,  qr/ poolhands_foreign\b/ ],
    [ 'keep',    'bucket-outlives-pool', qr/^IMMORTAL /, qr/ poolhands_late\b/, qr/^[^|]*\bapache2\b/, 'late' ],
    [ 'pool',    'two-threads',        qr/^pool$/,      qr/ poolhands_use\b/,  qr/ poolhands_use\b/,  'both' ],
    [ 'list',    'two-threads',        qr/^bucket allocator$/, qr/ poolhands_take\b/, qr/ poolhands_take\b/, 'both' ],
    [ 'wait',    'wrong-hands',        qr/^pool$/,      qr/ poolhands_stray\b/, undef, 'use' ],
);

sub stack { my ($m, $i) = @_; return join ' | ', map { $_->{place} } @{ $m->{stacks}[$i]{frames} // [] } }

sub ask {
    my ($s, @queries) = @_;
    if (@queries == 2 && $queries[1] eq 'late') {      # one connection
        my $conn = PST::Conn->new($s->port);
        return grep { $conn->get("/hands?$_"); ($conn->response(timeout => 30)->{status} // 0) != 200 } @queries;
    }
    my @conns = map { PST::Conn->new($s->port) } @queries;
    $conns[$_]->get("/hands?$queries[$_]") for 0 .. $#conns;
    return grep { ($_->response(timeout => 30)->{status} // 0) != 200 } @conns;
}

# All that is told so far, once nothing more can come: what is found is on the board before the answer is.
sub misuses { my ($s) = @_; return @{ $s->json->{misuses} // [] } }

my $limits = $is_threaded
  ? "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 10\nMaxRequestWorkers 10\n"
  : "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 4\nMaxRequestWorkers 4\n";
my $conf = "LoadModule poolhands_module $top/mod_poolhands.so\n<Location /hands>\nSetHandler poolhands\n</Location>\n";

for my $time (1 .. $times) {
    my $s = PST::Server->new("hands-$time", limits => $limits, conf => $conf . "PoolStatCheck threads 1/1 buckets\n");
    ok($s->start, 'a server that checks') or BAIL_OUT($s->start_text . $s->log_text);
    is(scalar ask($s, 'right'), 0, 'what is right');
    is(join(' ', map { "$_->{kind} " . stack($_, 0) } misuses($s)), '', 'is not told');
    if ($is_threaded) {
        is(scalar ask($s, 'lock&200', 'lock&200'), 0, 'a pool that has a lock');
        is(scalar ask($s, 'lock&200', 'lock&200'), 0, 'again');
    }
    for my $case (@cases) {
        my ($query, $kind, $what, $by, $other, $with) = @$case;
        next if $with && $with ne 'late' && !$is_threaded;
        my ($found, @mine);
        ok(wait_for(sub {
            ask($s, $with ? $with eq 'both' ? ("$query&100") x 2 : ($query, $with) : $query);
            @mine = grep { $_->{kind} eq $kind && $_->{what} =~ $what } misuses($s);
            ($found) = @mine;
            return $found;
        }, 30), "$query: $kind is told") or next;
        like(stack($found, 0), $by, 'by whom') or diag(explain($found));
        like(stack($found, 1), $other, 'and who else') if $other;
        is(scalar(grep { stack($_, 0) !~ $by } @mine), 0, 'nobody else is');
        like($found->{by}{line}, qr{^GET /hands\?}, 'the request');
    }
    my %known = map { $_->[1] => 1 } @cases;
    is(join(' ', grep { !$known{$_} } map { $_->{kind} } misuses($s)), '', 'and nothing else is told');
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/exit signal/, 'no crash');
}

# What the administrator named
SKIP: {
    skip 'a prefork child has one thread', 1 if !$is_threaded;
    for my $name (qw(poolhands_shared mod_poolhands.so)) {
        my $s = PST::Server->new("hands-$name", limits => $limits,
            conf => $conf . "PoolStatCheck threads 1/1\nPoolStatCheckExcept x $name\n");
        ok($s->start, "a server that checks all but $name") or BAIL_OUT($s->start_text . $s->log_text);
        # the list is told sooner or later, if it is not excepted; then the pool would have been, too
        for (1 .. 4) {
            is(scalar ask($s, 'pool&150', 'pool&150'), 0, 'a pool that two threads use');
        }
        my $list = sub { ask($s, 'list&100', 'list&100'); return scalar grep { $_->{what} eq 'bucket allocator' } misuses($s) };
        ok(wait_for($list, 30), 'others are told') if $name !~ /^mod_/;
        is(join(' ', grep { $_ ne 'bucket allocator' || $name =~ /^mod_/ } map { $_->{what} } misuses($s)), '', 'but not this');
        is($s->stop, 0, 'stops');
    }
}

# Off, and switched while it runs
if ($ENV{CHECK}) { done_testing; exit }
my $s = PST::Server->new('hands-off', limits => $limits, conf => $conf . "PoolStatControl On\n");
ok($s->start, 'a server that does not check') or BAIL_OUT($s->start_text . $s->log_text);
is(scalar ask($s, $_), 0, $_) for qw(below dead twice foreign);
is(scalar misuses($s), 0, 'tells nothing');
is(poolstat('doctor', '--check', 'threads 1/1 buckets', '-f', $s->board)->{status}, 0, 'it is switched on');
is(scalar ask($s, $_), 0, $_) for qw(dead twice foreign);
is(join(' ', sort map { $_->{kind} } misuses($s)), 'bucket-freed-twice foreign-bucket late-register', 'all is told');
is(scalar ask($s, 'keep', 'late'), 0, 'a bucket that is late');
is(poolstat('doctor', '--check', 'Off', '-f', $s->board)->{status}, 0, 'it is switched off');
my $before = join ' ', sort map { "$_->{kind} $_->{times}" } misuses($s);
is(scalar ask($s, $_), 0, $_) for qw(dead twice foreign below);
is(join(' ', sort map { "$_->{kind} $_->{times}" } misuses($s)), $before, 'nothing more is told');
is($s->stop, 0, 'stops');
done_testing;
