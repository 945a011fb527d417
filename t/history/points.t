# Points: one per interval while all workers are busy; the books balance in each; what the
# face refuses; how a child ended; without the watchdog; off.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

sub history { my ($s, $pid, %o) = @_; return json_of($s->fetch("/pool-status/history?pid=$pid", %o)->{body}) }
sub histories { my ($s) = @_; my $j = json_of($s->fetch('/pool-status/history')->{body}); return @{ $j->{histories} || [] } }
sub one_of { my ($s, $pid) = @_; my ($h) = grep { $_->{pid} == $pid } histories($s); return $h }

# two workers in all, each in a child of its own on prefork, both in one elsewhere
my $limits = mpm() eq 'prefork'
  ? "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nServerLimit 2\nMaxRequestWorkers 2\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 2\nThreadLimit 2\nMinSpareThreads 1\nMaxSpareThreads 2\nMaxRequestWorkers 2\n";
my $s = PST::Server->new('history', limits => $limits);
ok($s->start, 'a server of two workers') or BAIL_OUT($s->start_text . $s->log_text);
my @pids;
ok(wait_for(sub { @pids = map { $_->{pid} } histories($s); @pids == (mpm() eq 'prefork' ? 2 : 1) }, 10), 'each child has a history');

subtest 'all workers busy' => sub {
    my @busy = map { my $c = PST::Conn->new($s->port); $c->get('/poolprobe?pool=request&bytes=500000&hold=5000&output=2',
        headers => ['Connection: close']); $c } 1, 2;
    my $from = time;
    is($_->response->{status}, 200, 'answered, after its five seconds') for @busy;
    my $to = time;
    for my $pid (@pids) {
        my $h = history($s, $pid);
        is($h->{interval_seconds}, 1, 'a point a second');
        is($h->{history_by}, 'watchdog', 'by a thread of the child');
        my @during = grep { $_->{time} > $from && $_->{time} < $to } @{ $h->{fine} };
        my %second = map { int($_->{time}) => 1 } @during;
        is(scalar(keys %second), scalar @during, 'one per second');
        # the clock's seconds that began and ended within
        my $whole = int($to) - int($from) - 1;
        cmp_ok(scalar @during, '>=', $whole - ($ENV{CI_SLOW} || stage()->{san} ? 2 : 1), "in each of $whole seconds, give or take one");
        is(scalar(grep { $_->{requests_reserved_bytes} >= 500_000 } @during[ 1 .. $#during - 1 ]), @during - 2, 'with what the handlers hold');
    }
};

subtest 'the books' => sub {
    my ($points, $wrong, $order, $closed, $taken, $zero, $unread) = (0) x 7;
    my $load = $s->load('/small.txt', 2, 4);
    select undef, undef, undef, 3;
    $s->load_end;
    for my $pid (@pids) {
        my $h = history($s, $pid, timeout => 10);
        my $last = 0;
        for my $p (@{ $h->{fine} }) {
            $points++;
            my $sum = 0;
            $sum += $p->{$_} for qw(process_reserved_bytes connections_reserved_bytes requests_reserved_bytes bucket_bytes retained_bytes);
            $wrong++ if $sum != $p->{held_bytes} || $sum % 4096;
            my $explained = 0;
            $zero += grep { defined $p->{$_} && !$p->{$_} } qw(rss_bytes heap_in_use_bytes file_bytes data_bytes);
            $unread++ if !defined $p->{file_bytes} && !grep { defined $p->{$_} } qw(shmem_bytes stack_bytes other_bytes unexplained_bytes heap_free_bytes);
            $explained += $p->{$_} // 0 for qw(held_bytes heap_in_use_bytes heap_free_bytes file_bytes shmem_bytes stack_bytes data_bytes
                other_bytes unexplained_bytes);
            $closed++ if $p->{file_bytes} && $p->{rss_bytes} + $p->{swap_bytes} + $p->{not_resident_bytes} == $explained;
            $taken++ if $p->{file_bytes};
            $order++ if $p->{time} <= $last;
            $last = $p->{time};
        }
        cmp_ok(scalar @{ $h->{coarse} }, '>=', 1, 'a point of the minute');
    }
    cmp_ok($points, '>=', 5, "$points points");
    is($wrong, 0, 'held is the sum of its parts in each, under load too');
    is($order, 0, 'each later than the one before');
    cmp_ok($taken, '>=', 5, 'the books of the whole child are in them');
    is($zero, 0, 'and never 0 where they were not taken yet');
    cmp_ok($unread, '>=', @pids, 'as in a first point of each child');
    is($closed, $taken, 'RSS + swap + not resident = held + heap + files + shared + stacks + data + other + unexplained in each');
    # one connection that stays, so that between its requests only they come and go
    my $stays = PST::Conn->new($s->port);
    my $ask = sub { $stays->get("/pool-status/$_[0]"); return json_of($stays->response->{body}) };
    my ($c, $p);
    ok(wait_for(sub {
        my $json = $ask->('json');
        my ($mine) = grep { $_->{request} } rows($json);
        $c = child_of($json, $mine->{pid});
        my $h = $ask->("history?pid=$mine->{pid}");
        $p = $h->{fine}[-1];
        $p && $p->{process_reserved_bytes} == $c->{process}{reserved_bytes} && $p->{connections_open} == $c->{connections_open};
    }, 15), 'the last point says what the snapshot says') or diag("process $p->{process_reserved_bytes}, $c->{process}{reserved_bytes}");
    # the books of a second are in the point of that second, and stand until the next: the same, in whole pages
    my $pages = sub { return int($_[0] / 4096) * 4096 };
    my @books = qw(rss_bytes pss_bytes private_dirty_bytes swap_bytes heap_in_use_bytes heap_free_bytes file_bytes shmem_bytes stack_bytes
        data_bytes other_bytes);
    my @differ;
    ok(wait_for(sub {
        my $json = $ask->('json');
        my ($mine) = grep { $_->{request} } rows($json);
        $c = child_of($json, $mine->{pid});
        $p = $ask->("history?pid=$mine->{pid}")->{fine}[-1];
        @differ = grep { $p->{$_} != $pages->($c->{$_}) } @books;
        return !@differ && $p->{heap_arenas} == $c->{heap_arenas} && $p->{process_pools} == $c->{process}{pools};
    }, 15), 'and the books of the child') or diag(map { "$_: $p->{$_} in the point, $c->{$_} in the snapshot\n" } @differ);
    cmp_ok($p->{private_dirty_bytes}, '>', 100_000, 'private dirty');
    cmp_ok($p->{rss_bytes}, '>', $p->{pss_bytes}, 'RSS beyond PSS');
    cmp_ok($p->{file_bytes}, '>', 0, 'files');
    $stays->close;
};

subtest 'what the face refuses' => sub {
    my $r = $s->fetch('/pool-status/history?pid=1');
    is($r->{status}, 404, 'a pid that is no child');
    like($r->{body}, qr/^There is no history of a child with the process id 1\.$/, 'in a sentence');
    for my $q ('pid=x', 'pid=-1', 'pid=99999999999', 'pid=1&pid=2', 'sort=pid', 'kind=client', 'refresh=2', 'auto', 'rows=5', 'pid=%zz') {
        is($s->fetch("/pool-status/history?$q")->{status}, 400, $q);
    }
    is($s->fetch('/pool-status/history', method => 'POST', headers => ['Content-Length: 0'])->{status}, 405, 'POST');
    is($s->fetch('/pool-status/history/x')->{status}, 404, 'another address below');
    my $h = $s->fetch("/pool-status/history?pid=$pids[0]", method => 'HEAD');
    is("$h->{status} $h->{body}", '200 ', 'HEAD');
    like($h->{headers}{'content-type'}, qr{^application/json}, 'of the type');
    is($h->{headers}{'x-content-type-options'}, 'nosniff', 'nosniff');
};

subtest 'ends' => sub {
    my $before = history($s, $pids[0]);
    kill KILL => $pids[0];
    ok(wait_for(sub { !kill 0, $pids[0] }, 20), 'one is killed');
    my $h;
    ok(wait_for(sub { $h = one_of($s, $pids[0]); $h && !$h->{alive} }, 15), 'killed: its history says so');
    is($h->{ended_how}, 'abrupt', 'abruptly');
    cmp_ok(abs($h->{ended} - time), '<', 20, 'and when');
    my $after = history($s, $pids[0]);
    cmp_ok(scalar @{ $after->{fine} }, '>=', scalar @{ $before->{fine} }, 'its points stay');
    is($after->{fine}[0]{time}, $before->{fine}[0]{time}, 'from the first one');
    ok(!$after->{alive} && !child_of($s->json, $pids[0]), 'though it is no child any more');
    like($s->fetch('/pool-status')->{body}, qr{history\?pid=$pids[0]">$pids[0]</a> abruptly}, 'the page lists it');
    my %was = map { $_->{pid} => 1 } grep { $_->{alive} } histories($s);
    ok($s->graceful, 'a graceful restart');
    my @gone;
    ok(wait_for(sub { @gone = grep { $was{ $_->{pid} } && !$_->{alive} } histories($s); @gone == keys %was }, 20), 'the old children are gone');
    is(join(' ', map { $_->{ended_how} } @gone), join(' ', ('orderly') x @gone), 'in order');
};
is($s->stop, 0, 'stops in order');

subtest 'without the watchdog' => sub {
    my $m = PST::Server->new('history-monitor', limits => $limits, flags => [ '-D', 'PoolStatNoWatchdog' ]);
    ok($m->start, 'a server') or return diag($m->start_text . $m->log_text);
    is($m->json->{server}{history_by}, 'monitor', 'the parent writes');
    like($m->log_text, qr/PST\d{4}: children have no watchdog/, 'the log says so');
    like($m->fetch('/pool-status')->{body}, qr/Children have no watchdog here/, 'the page too');
    ok(wait_for(sub { my ($h) = histories($m); $h && $h->{points} >= 1 }, 30), 'a point, in time');
    is($m->stop, 0, 'stops in order');
};

subtest 'off' => sub {
    my $o = PST::Server->new('history-off', limits => $limits, conf => "PoolStatHistory Off\n");
    ok($o->start, 'a server') or return diag($o->start_text . $o->log_text);
    my $json = $o->json;
    is($json->{server}{history_by}, 'off', 'no history');
    is($json->{children}[0]{verdict}, undef, 'no verdict');
    my $r = $o->fetch('/pool-status/history');
    is($r->{status}, 404, 'nothing at its address');
    like($r->{body}, qr/PoolStatHistory is Off/, 'which says why');
    is($o->stop, 0, 'stops in order');
};
done_testing;
