# Starting, stopping, restarting, one process: no crash, and nothing of the parent's piles up.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

sub clean_log {
    my ($s) = @_;
    unlike($s->log_text, qr/exit signal|Assertion|AddressSanitizer/, 'no crash in the log');
}

subtest 'start and stop, five times' => sub {
    my $s = PST::Server->new('lifecycle');
    for my $n (1 .. 5) {
        ok($s->start, "start $n") or diag($s->start_text, $s->log_text);
        is($s->fetch('/pool-status')->{status}, 200, 'the page');
        is($s->stop, 0, 'stop');
    }
    clean_log($s);
};

subtest 'a graceful stop' => sub {
    my $s = PST::Server->new('lifecycle-winch');
    ok($s->start, 'start');
    my $p = PST::Probe->start('pool=request&bytes=1000000&hold2=1500&free=keep', port => $s->port, ask => $s->port);
    $p->arrived('hold');
    $p->release('hold');
    is($s->stop('WINCH'), 0, 'stops');
    is($p->conn->response->{status}, 200, 'after the request was answered');
    clean_log($s);
};

subtest 'a hard restart' => sub {
    my $s = PST::Server->new('lifecycle-hup');
    ok($s->start, 'start');
    my $first = join ' ', sort map { $_->{pid} } @{ $s->json->{children} };
    for my $n (1 .. 5) {
        # a stock event child that is told to end while it starts, or while it closes a connection, crashes now
        # and then: in 5 of 1000 such restarts without this module, in 5 of 1000 with it
        ok(wait_for(sub { @{ $s->json->{children} } == $s->start_servers }, 10), 'all children are there');
        PST::Stage::quiet_port($s->port);
        ok($s->graceful('HUP'), "restart $n");
        ok($s->answers(10), 'answers');
    }
    my $json;
    ok(wait_for(sub { $json = $s->json; !grep { my $p = $_->{pid}; grep { $_ == $p } split / /, $first } @{ $json->{children} } }, 10),
        'none of the first children is on the board');
    is($s->stop, 0, 'stop');
    clean_log($s);
};

subtest 'one process, -X' => sub {
    my $s = PST::Server->new('lifecycle-x');
    ok($s->start('-X'), 'starts') or diag($s->start_text, $s->log_text);
    is($s->fetch("/poolprobe?pool=subpool&bytes=$_")->{status}, 200, "allocates $_") for 100, 100_000, 10_000_000;
    my $json = $s->json;
    is(scalar @{ $json->{children} }, 1, 'one child');
    is($json->{children}[0]{pid}, $s->pid, 'which is the process itself') if mpm() eq 'prefork';
    $s->stop;
    ok($s->ended, 'stops');
    clean_log($s);
};

subtest 'fifty graceful restarts' => sub {
    my $s = PST::Server->new('lifecycle-50');
    ok($s->start, 'start');
    # the parent may be looking into /proc just now: that ends
    my $fds = sub {
        my ($pid) = @_;
        my @open;
        wait_for(sub { @open = map { readlink($_) // () } glob "/proc/$pid/fd/*"; !grep m{^/proc/}, @open }, 5);
        return scalar @open;
    };
    my $maps = sub {
        my $board = $s->board;
        my $text = PST::Stage::read_file("/proc/" . $s->pid . "/maps");
        return scalar(() = $text =~ /poolstat\.board/g);
    };
    my (@rss, @fd, @map);
    for my $n (0 .. 60) {
        if ($n) {
            $s->graceful or last;
            $s->answers(10);
        }
        push @rss, PST::Server::rss($s->pid);
        push @fd, $fds->($s->pid);
        push @map, $maps->();
    }
    is(scalar @rss, 61, 'sixty restarts');
    # httpd itself settles in the first few
    my ($then, $now) = @rss[ 10, 60 ];
    note("RSS of the parent: @rss[0, 1, 10, 20, 30, 40, 50, 60]");
    SKIP: {
        skip 'AddressSanitizer keeps what is freed', 1 if stage()->{san};
        cmp_ok($now - $then, '<=', 256 * 1024, 'the parent is as large after fifty more: ' . ($now - $then) . ' bytes');
    }
    is($fd[60], $fd[10], 'with as many files open');
    is($map[60], $map[10], 'and as many mappings of the board');
    cmp_ok($map[60], '<=', 1, 'which is one');
    is($s->stop, 0, 'stop');
    clean_log($s);
};

subtest 'graceful restarts into another configuration' => sub {
    my $s = PST::Server->new('lifecycle-conf');
    ok($s->start, 'start');
    for my $conf ("PoolStatConnections 3\n", "PoolStatFile elsewhere.board\n", "PoolStatInstrument Off\n", '') {
        $s->write_conf(conf => $conf);
        ok($s->graceful, 'restart into: ' . ($conf =~ s/\n//r));
        ok($s->answers(10), 'answers');
        my $r = $s->fetch('/pool-status/json');
        is($r->{status}, 200, 'the page');
        ok(json_of($r->{body}), 'valid JSON');
        is($s->fetch('/poolprobe?pool=connsub&bytes=100000')->{status}, 200, 'a request');
    }
    is($s->stop, 0, 'stop');
    clean_log($s);
};

done_testing;
