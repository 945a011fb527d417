# The books against what the kernel says when asked from outside; and what each kind of memory moves.
use strict;
use warnings;
use PST;
use PST::Books;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

my $MB = 1024 * 1024;
my $limits = mpm() eq 'prefork' ? "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nServerLimit 2\nMaxRequestWorkers 2\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my $s = PST::Server->new('books', limits => $limits, conf => "MaxMemFree 0\n");
ok($s->start, 'a server') or do { diag($s->start_text . $s->log_text); done_testing; exit };

# The snapshot as soon as all groups of this child were taken after `since`, and its law holds.
sub look {
    my ($pid, $since, $wanted) = @_;
    my ($json, $c);
    wait_for(sub {
        $json = $s->json;
        $c    = child_of($json, $pid) or return 0;
        $c->{books_time} > $since && $c->{heap_time} > $since && (!$wanted || $wanted->($c));
    }, 25) or diag('in vain: ' . JSON::PP->new->canonical->encode({ map { $_ => $c->{$_} } grep { !ref $c->{$_} } keys %$c }));
    is(join('; ', law($json)), '', 'RSS + swap + not resident = explained + unexplained');
    return $c;
}

# A child in whose heap something is free for sure: with an idle one, what is free may be as much as what is not resident of it.
# In holes that no later block fits into: whether that is of the same arena is chance.
my $pid = do {
    my $r = $s->fetch('/poolprobe?pool=none&heap=1000&heap_bytes=9000&heap_free=half');
    is($r->{status}, 200, 'a heap with something free in it');
    json_of($r->{body})->{pid};
};
look($pid, 0, sub { $_[0]{maps_time} && $_[0]{heap_free_bytes} });

subtest 'as from outside' => sub {
    my ($c, $before, $after);
    ok(wait_for(sub {
        $before = rollup($pid);
        my $asked = time;
        wait_for(sub { $c = child_of($s->json, $pid); $c->{books_time} > $asked }, 5);
        $after = rollup($pid);
        $before->{Rss} == $after->{Rss} && $c->{rss_bytes} == $after->{Rss} && $c->{private_dirty_bytes} == $after->{Private_Dirty};
    }, 25), 'RSS and private dirty are those of smaps_rollup') or diag(explain([$c->{rss_bytes}, $before, $after]));
    is($c->{swap_bytes}, $after->{Swap}, 'so is swap');
    # what others map and unmap meanwhile changes a share
    cmp_ok(abs($c->{pss_bytes} - $after->{Pss}), '<', $after->{Rss} / 10, 'and PSS');
    cmp_ok($c->{pss_bytes}, '<', $c->{rss_bytes}, 'which is less than RSS: children share');
    is($c->{heap}, 'glibc', 'the heap is glibc\'s');
    is($c->{heap_tells}, 'both', 'which tells what is in use and what is free');
    cmp_ok($c->{heap_arenas}, '>=', 1, 'and has arenas');
    cmp_ok($c->{$_}, '>', 0, $_) for qw(heap_in_use_bytes heap_free_bytes file_bytes shmem_bytes stack_bytes data_bytes books_cost heap_cost maps_cost);
    cmp_ok($c->{unexplained_bytes}, '<', $MB, 'nearly nothing is unexplained');
    cmp_ok($c->{other_bytes}, '<', $MB, 'and nearly nothing is in other mappings');
};

# A connection to a child whose mappings were read since it served one like those that come: they are read when RSS moves by
# a sixteenth, and the code that a first request touches may be less.
sub warmed {
    my $p = PST::Probe->start('pool=none&heap=800&heap_bytes=20000', port => $s->port, ask => $s->port);
    $p->arrived('hold');
    my ($row) = row_of($s->json, $p->name);
    my $since = time;
    look($row->{pid}, $since, sub { $_[0]{maps_time} > $since });
    $p->finish;
    return $p->conn;
}

# Memory of one kind, in the child that got the request: (before, after, pid).
sub with {
    my ($query, $moved) = @_;
    my $p   = PST::Probe->start($query, conn => warmed(), ask => $s->port, hold => [qw(hold0 hold)]);
    $p->arrived('hold0');
    my ($row) = row_of($s->json, $p->name);
    my $before = look($row->{pid}, time);
    $p->release('hold0');
    $p->arrived('hold');
    my $after = look($row->{pid}, time, sub { $moved->($before, $_[0]) });
    $p->finish;
    $p->conn->close;
    return ($before, $after, $row->{pid});
}

subtest 'a pool that nobody writes to' => sub {
    my ($b, $a) = with("pool=request&bytes=" . 40 * $MB, sub { $_[1]{held_bytes} - $_[0]{held_bytes} >= 40 * $MB });
    my $held = $a->{held_bytes} - $b->{held_bytes} - node_size(40 * $MB);
    ok($held >= 0 && $held < $MB, 'is held') or diag($held);
    cmp_ok($a->{rss_bytes} - $b->{rss_bytes}, '<', $MB, 'but not resident');
    my $not = $a->{not_resident_bytes} - $b->{not_resident_bytes};
    cmp_ok($not, '>', 39 * $MB, 'and said not to be');
    cmp_ok($not, '<', 41 * $MB, 'it alone') or diag(explain({ map { $_ => $a->{$_} - $b->{$_} } grep { !ref $a->{$_} && $a->{$_} =~ /^\d+$/ } keys %$a }));
};

subtest 'blocks of the heap in use' => sub {
    my ($b, $a) = with('pool=none&heap=2000&heap_bytes=20000', sub { $_[1]{heap_in_use_bytes} - $_[0]{heap_in_use_bytes} > 39_000_000 });
    my $more = $a->{heap_in_use_bytes} - $b->{heap_in_use_bytes};
    cmp_ok($more, '>=', 2000 * 20016, 'are in use in the heap');
    cmp_ok($more, '<', 2000 * 20016 + $MB, 'and nothing else');
    cmp_ok($a->{rss_bytes} - $b->{rss_bytes}, '>=', 39_000_000, 'and resident');
    cmp_ok($a->{unexplained_bytes}, '<', $MB, 'which explains them');
    cmp_ok($a->{held_bytes} - $b->{held_bytes}, '<', $MB, 'APR has nothing to do with it');
};

my $pinned;
subtest 'blocks of the heap freed below a pin' => sub {
    (my $b, my $a, $pinned) = with('pool=none&heap=2000&heap_bytes=21000&heap_free=pinned', sub { $_[1]{heap_free_bytes} - $_[0]{heap_free_bytes} > 40_000_000 });
    cmp_ok($a->{heap_free_bytes} - $b->{heap_free_bytes}, '>', 40_000_000, 'are free in the heap');
    cmp_ok($a->{heap_in_use_bytes} - $b->{heap_in_use_bytes}, '<', $MB, 'and not in use');
    cmp_ok($a->{unexplained_bytes}, '<', $MB, 'which explains them');
};

subtest 'the faces' => sub {
    my $json = $s->json;
    my $total = 0;
    $total += $_->{pss_bytes} for @{ $json->{children} };
    is($json->{total}{pss_bytes}, $total, 'the total adds up PSS');
    ok(!exists $json->{total}{rss_bytes}, 'and never RSS');
    my $page = $s->fetch('/pool-status')->{body};
    like($page, qr{id="books".*<title>Heap in use: [^<]+ bytes\)</title>.*<title>RSS and swap: [^<]+ bytes\)</title>}s, 'the page has the picture');
    unlike($page, qr{<script(?! src=)|\sstyle=}, 'without script');
    like($s->fetch('/pool-status?auto')->{body}, qr{^Child\.$pid\.RssBytes: \d+$}m, 'text has the figures');
    my $h = json_of($s->fetch("/pool-status/history?pid=$pinned")->{body});     # where something is free for sure
    my $last = $h->{fine}[-1];
    ok($last->{rss_bytes} && $last->{pss_bytes} && $last->{heap_in_use_bytes} && $last->{heap_free_bytes}, 'so have points of the history');
    is($last->{rss_bytes} % 4096, 0, 'in pages');
    like($json->{children}[0]{verdict}{heap}{state}, qr/^(?:too little data|steady|growing|shrinking)$/, 'the heap has a verdict');
};
is($s->stop, 0, 'stops in order');

SKIP: {
    skip 'once is enough', 1 if mpm() ne 'event';
    subtest 'children without a thread of ours' => sub {
        my $m = PST::Server->new('books-monitor', limits => $limits, flags => [ '-D', 'PoolStatNoWatchdog' ]);
        ok($m->start, 'a server') or return diag($m->start_text . $m->log_text);
        my $c;
        ok(wait_for(sub { $c = $m->json->{children}[0]; $c->{books_time} && $c->{maps_time} }, 30), 'the parent takes their books');
        ok($c->{rss_bytes} && $c->{pss_bytes} && $c->{file_bytes} && $c->{stack_bytes}, 'from outside');
        is($c->{heap_time}, 0, 'and cannot ask the heap');
        is(join('; ', law($m->json)), '', 'the law holds');
        is($m->stop, 0, 'stops in order');
    };
}
done_testing;
