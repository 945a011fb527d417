# poolstat tree: the pools of a running child, read from outside. What the probe made is found to the
# byte with all that hangs on it; the sum is what the child counted; nothing needs mod_poolstat.
use strict;
use warnings;
use POSIX ();
use PST;
use PST::Command;
use PST::Server;
use Test::More;

sub tree { my $r = poolstat('tree', @_, '--json'); return $r->{status} == 0 ? json_of($r->{out}) : undef }
sub tagged { my ($tree, $tag) = @_; return grep { ($_->{tag} // '') eq $tag } @{ $tree->{pools} } }

# From a pool up to its root.
sub path_of {
    my ($tree, $pool) = @_;
    my %at = map { $_->{at} => $_ } @{ $tree->{pools} };
    my @path;
    for (my $p = $pool; $p && @path < 100; $p = defined $p->{parent} ? $at{ $p->{parent} } : undef) { push @path, $p }
    return @path;
}

my $may = poolstat('tree', (PST::Server::child_pids({ pid => json_now()->{server}{parent_pid} }))[0]);
plan skip_all => "other users' processes cannot be read here" if $may->{err} =~ /may (?:not )?be read,? (?:not even )?by root/;

subtest 'what the probe made' => sub {
    my $p = PST::Probe->start('pool=subpool&bytes=100000&pieces=3&things=1', hold => ['hold']);
    my $report = $p->arrived('hold');
    my $tree = tree($report->{pid});
    ok($tree, 'the tree') or return;
    my ($pool, @more) = tagged($tree, 'poolprobe');
    ok($pool && !@more, 'its pool') or return;
    is($pool->{reserved_bytes}, $report->{reserved_after}, 'to the byte');
    is($pool->{nodes}, $report->{nodes_after}, 'node by node');
    is($pool->{used_bytes}, $report->{used_after} + $report->{nodes_after} * $report->{node_overhead}, 'used to the byte');
    my @path = path_of($tree, $pool);
    is($path[1]{tag}, 'request', 'below the request');
    is($path[1]{reserved_bytes}, $report->{request_reserved}, 'which is as large as it says');
    like($path[1]{serves}, qr/^request GET \/poolprobe\?n=\Q@{[ $p->name ]}/, 'and says whom it serves');
    ok((grep { ($_->{serves} // '') =~ /^connection \d+ of 127\.0\.0\.1/ } @path), 'below its connection');
    is($path[-1]{tag}, 'apr_global_pool', 'below the global pool');
    is($path[$_]{depth}, $#path - $_, "depth of $path[$_]{tag}") for 0, $#path;
    like($pool->{creator}, qr/^mod_poolprobe\.so /, 'made by the probe');
    cmp_ok($path[1]{subtree}{reserved_bytes}, '>=', $path[1]{reserved_bytes} + $pool->{reserved_bytes}, 'subtrees are added up');

    my %by; push @{ $by{ $_->{what} } }, $_ for @{ $pool->{resources} };
    my ($file) = grep { $_->{detail} =~ /small\.txt/ } @{ $by{file} };
    like($file->{detail}, qr{^fd \d+ /.*/small\.txt$}, 'a file, by its path');
    is($file->{function}, 'apr_unix_file_cleanup', 'and function');
    is(readlink "/proc/$report->{pid}/fd/$file->{fd}", $file->{detail} =~ s/^fd \d+ //r, 'its descriptor');
    for (['socket', 'socket_cleanup'], ['mutex', 'thread_mutex_cleanup'], ['shared memory', 'shm_cleanup_owner']) {
        my ($what, $function) = @$_;
        is($by{$what} && $by{$what}[0]{function}, $function, "$what: a static function of a stripped APR has its name");
    }
    like($by{socket}[0]{detail}, qr/^fd $by{socket}[0]{fd}\b/, 'and a socket its descriptor');
    my $process = $by{process} && $by{process}[0];
    like($process->{detail}, qr/^pid $process->{pid} \S/, 'a process, by its name');
    is($process->{how}, 'killed when the pool goes', 'and what becomes of it');
    my @own = grep { $_->{function} eq 'poolprobe_clean' } @{ $by{cleanup} };
    is(join(' ', map "$_->{kind} in $_->{object}", @own), 'pre-cleanup in mod_poolprobe.so cleanup in mod_poolprobe.so',
        'functions that objects export, in the order in which they run');
    $p->release('hold');
    $p->finish;
    ok(!kill(0, $process->{pid}) || wait_for(sub { !kill 0, $process->{pid} }), 'the process is gone');
    is(scalar tagged(tree($report->{pid}), 'poolprobe'), 0, 'and so is the pool');
};

subtest 'unmanaged' => sub {
    my $p = PST::Probe->start('pool=unmanaged&bytes=3000000', hold => [qw(hold hold2)]);
    my $report = $p->arrived('hold');
    my ($pool) = tagged(tree($report->{pid}), 'poolprobe-unmanaged');
    ok($pool && $pool->{unmanaged} && !defined $pool->{parent}, 'is found, and said to be of no tree');
    is($pool->{reserved_bytes}, $report->{reserved_after}, 'to the byte');
    $p->release('hold');
    $p->arrived('hold2');
    is(scalar tagged(tree($report->{pid}), 'poolprobe-unmanaged'), 0, 'not when it is destroyed');
    $p->finish;
};

subtest 'chosen' => sub {
    my $p = PST::Probe->start('pool=subpool&many=20&bytes=500000&tag=wanted', hold => ['hold']);
    my $pid = $p->arrived('hold')->{pid};
    my $tree = tree($pid, '--match', 'want*');
    is(scalar tagged($tree, 'wanted'), 20, 'by tag');
    my @around = path_of($tree, (tagged($tree, 'wanted'))[0]);
    is(scalar @{ $tree->{pools} }, 20 + @around - 1, 'with what they lie in, and nothing else');
    is(join(' ', map $_->{asked} ? 1 : 0, @around), join(' ', 1, (0) x (@around - 1)), 'which was not asked for');
    $tree = tree($pid, '--min', '9M');
    ok(!(grep { $_->{subtree}{reserved_bytes} < 9 << 20 } @{ $tree->{pools} }), 'by size');
    ok(tagged($tree, 'poolprobe'), 'of what is below');
    ok(!tagged($tree, 'wanted'), 'not of itself');
    my $r = poolstat('tree', $pid, '--match=want*');
    # a free list may have had larger nodes for some of them
    my ($lines, $sum) = (0, 0);
    while ($r->{out} =~ /\bwanted(?:, (\d+) alike)?, made by mod_poolprobe\.so /g) { $lines++; $sum += $1 // 1 }
    is($sum, 20, 'as text');
    cmp_ok($lines, '<', 20, 'those alike on one line');
    like($r->{out}, qr/^ +[\d,]+ {2,}\(\d+ pools? not listed\)$/m, 'what is left out is summed up');
    $p->finish;
};

subtest 'hostile tags' => sub {
    my $p = PST::Probe->start('pool=subpool&many=1&tag=%1b%5b31m%0a%22%3c%ff%e2%82', hold => ['hold']);
    my $pid = $p->arrived('hold')->{pid};
    my $r = poolstat('tree', $pid);
    is($r->{status}, 0, 'as text');
    unlike($r->{out}, qr/[^\n\x20-\x7e\x80-\xff]/, 'no control characters');
    like($r->{out}, qr/31m/, 'but the rest of it');
    my $tree = tree($pid);
    ok($tree && (grep { ($_->{tag} // '') =~ /^\x1b\[31m\n"</ } @{ $tree->{pools} }), 'as JSON');
    $p->finish;
};

subtest 'refused' => sub {
    is(poolstat('tree', @{ $_->[0] })->{status}, $_->[1], "tree @{ $_->[0] }")
      for [[], 2], [['x'], 2], [['-1'], 2], [['0'], 2], [[99999999999], 2], [[1, 2], 2], [[1, '--file', 'x'], 2], [[4194305], 3], [[2], 3], [[$$], 3];
    like(poolstat('tree', $$)->{err}, qr/^poolstat: tree: process $$: it does not use APR/, 'a process without APR');
    SKIP: {
        skip 'for root', 2 if $>;
        my $pid = (PST::Server::child_pids({ pid => json_now()->{server}{parent_pid} }))[0];
        my $out = `setpriv --reuid=65533 --regid=65533 --clear-groups @{[ program() ]} tree $pid 2>&1`;
        is($? >> 8, 3, 'for others');
        like($out, qr/may be read by root/, 'who are told why');
    }
};

subtest 'the books' => sub {
    my $s = PST::Server->new('command-tree');
    ok($s->start, 'a server') or return;
    my $held = PST::Probe->start('pool=connsub&bytes=700000&free=keep', port => $s->port, ask => $s->port, hold => ['hold']);
    $held->arrived('hold');
    $s->fetch('/poolprobe?pool=request&bytes=900000') for 1 .. 5;
    my @pids = map $_->{pid}, @{ $s->json->{children} };
    cmp_ok(scalar @pids, '>=', 2, 'with children');
    for my $pid (@pids) {
        my ($tree, $found, $board);
        my $agree = wait_for(sub {
            $tree = tree($pid) or return;
            ($found, $board) = @$tree{qw(found board)};
            return $tree->{one_moment} && $found->{reserved_bytes} - $found->{unmanaged_without_record_bytes} == $board->{reserved_bytes}
              && $found->{bucket_bytes} == $board->{bucket_bytes} && $found->{retained_bytes} == $board->{retained_bytes}
              && $found->{held_bytes} - $found->{unmanaged_without_record_bytes} == $board->{held_bytes}
              && !$found->{elsewhere_bytes} && !$found->{search_cut};
        });
        ok($agree, "child $pid: reserved, buckets, retained and held are what it counted, to the byte")
          or diag(explain([$found, $board]));
        my $sum = 0;
        $sum += $_->{reserved_bytes} for @{ $tree->{pools} };
        is($sum, $found->{reserved_bytes}, 'the sum over all pools');
        is($tree->{pools}[0]{subtree}{reserved_bytes}, $found->{tree_bytes}, 'is that of the trees');
    }
    my $tree = tree($s->json->{server}{parent_pid});
    is($tree && $tree->{pools}[0]{tag}, 'apr_global_pool', 'the parent has pools too');
    ok(!$tree->{board}, 'but no figures');

    my $load = $s->load('/poolprobe?pool=subpool&bytes=20000&many=5', 8, 30);
    my ($moments, $marked, @bad) = (0, 0);
    for (1 .. 15) {
        my $r = poolstat('tree', $pids[ $_ % @pids ], '--json');
        my $t = json_of($r->{out});
        push @bad, "$r->{status} $r->{err}" if $r->{status} != 0 || !$t || !tagged($t, 'pconf');
        $moments += $t->{one_moment} ? 1 : 0 if $t;
        $marked += grep { $_->{marked} } @{ $t->{pools} } if $t;
    }
    is("@bad", '', 'under load, the tree is read');
    note("$moments of 15 were of one moment, $marked pools were marked");
    $s->load_end;
    is($s->json->{children}[0]{level}, 'full', 'and the server serves on');
    $held->finish;
    $held->conn->close;
    for my $pid (@pids) {
        my ($tree, $child, $used);
        my $agree = wait_for(sub {
            $tree = tree($pid) or return;
            ($child) = grep { $_->{pid} == $pid } @{ poolstat_json('-f', $s->board)->{children} };
            $used = 0;
            $used += $_->{used_bytes} for @{ $tree->{pools} };
            return $tree->{one_moment} && @{ $tree->{pools} } == $child->{pools} && $used == $child->{used_bytes};
        }, 20);
        ok($agree, "child $pid, at rest: as many pools as there are, those of its first threads among them, and used to the byte")
          or diag(scalar(@{ $tree->{pools} }) . " pools use $used; ", explain({ map { ($_ => $child->{$_}) } qw(pools used_bytes slack_bytes) }));
    }
    is($s->stop, 0, 'it stops');
};

# Such an APR leaves dead nodes in the heap, which look like those that live. t/unit/forest.c has made-up ones; here the
# real thing, where POOLSTAT_MALLOC_APR names the folder of a libapr that APR's own configure made with its defaults.
subtest 'an APR that takes nodes from malloc' => sub {
    my $apr = $ENV{POOLSTAT_MALLOC_APR} or plan skip_all => 'POOLSTAT_MALLOC_APR names no folder with such a libapr-1.so.0';
    my $s = PST::Server->new('command-malloc', conf => "MaxMemFree 64\n");
    ok(do { local $ENV{LD_LIBRARY_PATH} = $apr; $s->start }, 'a server') or return;
    for my $bytes (map 30000 * $_, 1 .. 20) { $s->fetch("/poolprobe?pool=request&bytes=$bytes") }
    $s->load('/poolprobe?pool=subpool&bytes=20000&many=5', 6, 1);
    $s->load_end;
    for my $pid (map $_->{pid}, @{ $s->json->{children} }) {
        like(PST::Stage::read_file("/proc/$pid/maps"), qr/\Q$apr\E/, "child $pid has it");
        my $tree;
        my $agree = wait_for(sub {
            $tree = tree($pid) or return;
            my ($found, $board) = @$tree{qw(found board)};
            return $tree->{one_moment} && !$found->{guessed} && $found->{bucket_bytes} == $board->{bucket_bytes}
              && $found->{held_bytes} - $found->{unmanaged_without_record_bytes} == $board->{held_bytes} && !$found->{elsewhere_bytes};
        });
        ok($agree, 'what is dead is in no sum') or diag(explain([ @$tree{qw(found board)} ]));
    }
    is($s->stop, 0, 'it stops');
};

subtest 'without mod_poolstat' => sub {
    my $s = PST::Server->new('command-plain');
    my $conf = PST::Stage::read_file($s->conf);
    $conf =~ s/^LoadModule poolstat_module.*$//m;
    PST::Stage::write_file($s->conf, $conf);
    ok($s->start, 'a server') or return;
    my $p = PST::Probe->start('pool=subpool&bytes=100000', port => $s->port, ask => $s->port, hold => ['hold']);
    my $report = $p->arrived('hold');
    my $tree = tree($report->{pid});
    my ($pool) = tagged($tree, 'poolprobe');
    is($pool && $pool->{reserved_bytes}, $report->{reserved_after}, 'the same pools');
    ok(!$tree->{board} && !(grep { $_->{creator} } @{ $tree->{pools} }), 'nobody knows who made them');
    $p->finish;
    $p->conn->close;
    is($s->stop, 0, 'it stops');
};

# Any program that uses APR: here one of Perl's.
subtest 'not httpd' => sub {
    my $pid = open my $in, '-|', $^X, '-MAPR', '-MAPR::Pool', '-e',
      '$| = 1; my $p = APR::Pool->new; $p->tag("perls"); print "ready\n"; sleep 30' or die "perl: $!\n";
    is(scalar <$in>, "ready\n", 'a process');
    my $tree = tree($pid);
    my ($pool) = tagged($tree, 'perls');
    is(join(' < ', map $_->{tag}, path_of($tree, $pool)), 'perls < apr_global_pool', 'has pools');
    kill TERM => $pid;
    close $in;
};

done_testing;
