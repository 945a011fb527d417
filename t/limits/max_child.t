# PoolStatMaxChild: a child that is too large finishes its work and is replaced: downloads arrive
# whole, one child at a time, MinSpare workers stay idle, clients see no more than closed connections.
use strict;
use warnings;
use PST;
use PST::Board;
use PST::Server;
use Digest::MD5 qw(md5_hex);
use Test::More;
use Time::HiRes qw(time);
use Time::Local qw(timelocal);

my $MIB     = 1 << 20;
my $prefork = mpm() eq 'prefork';
my @soon    = (flags => [ '-D', 'PoolStatMaxChildSoon' ]);
my $spare   = $prefork ? 3 : 10;

sub server {
    my ($name, $conf, %o) = @_;
    my $s = PST::Server->new("max-$name", conf => $conf, %o);
    ok($s->start, "a server: $name") or BAIL_OUT($s->start_text . $s->log_text);
    return $s;
}

# children that have said that they leave: pid, when
my %month = map { (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$_] => $_ } 0 .. 11;
sub leaving {
    my ($s) = @_;
    return map {
        /^\[\w+ (\w+) (\d+) (\d+):(\d+):(\d+\.\d+) (\d+)\].*\[pid (\d+)[:\]].*PST0018: this child has (\d+) bytes (\w+), more than PoolStatMaxChild (\d+): .*?(\d+) workers are idle/
          ? { time => timelocal(int $5, $4, $3, $2, $month{$1}, $6) + $5 - int $5, pid => $7, size => $8, of => $9, limit => $10, idle => $11 }
          : ()
    } split /\n/, $s->log_text;
}
sub wait_leaving { my ($s, $n, $seconds) = @_; my @l; wait_for(sub { @l = leaving($s); @l >= $n }, $seconds // 15); return @l }

# when each child that is gone was released by the parent
sub ended {
    my ($s) = @_;
    my $json = json_of($s->fetch('/pool-status/history')->{body}) or return;
    return map { $_->{ended} ? ($_->{pid} => $_) : () } @{ $json->{histories} };
}

# beats of the watchdogs go by: each takes a point of its child's history
sub beats_pass {
    my ($s, $pid, $n, $also) = @_;
    my $points = sub { my ($h) = grep { $_->{pid} == $pid } @{ json_of($s->fetch('/pool-status/history')->{body})->{histories} }; $h ? $h->{points} : 0 };
    my $then = $points->();
    ok(wait_for(sub { $also->() if $also; $points->() >= $then + $n }, 15), 'time passes');
}

# never two at once: each says that it leaves after the one before was gone
sub one_by_one {
    my ($s, @left) = @_;
    my %ended = ended($s);
    for my $i (1 .. $#left) {
        my $before = $ended{ $left[ $i - 1 ]{pid} } or return "$left[$i-1]{pid} is not known to have ended";
        return "$left[$i]{pid} left before $before->{pid} was gone" if $left[$i]{time} < $before->{ended};
    }
    return '';
}

# those that would take a connection now, and those that answer us or have just done so, which they will in a moment. While a
# child asks for its replacement mod_status leaves its own out of the number, so they are counted on the board of letters.
sub idle_workers {
    my ($s) = @_;
    my $page = $s->fetch('/server-status')->{body};
    my ($board) = $page =~ m{<pre[^>]*>([^<]*)</pre>} or return 0;
    my $ours = grep m{<td>(?:<b>)?[WL](?:</b>)?\s*</td>.*GET /(?:server|pool)-status}s, split /<tr>/, $page;
    return ($board =~ tr/_C//) + $ours;     # C: has answered, and is closing
}

# kept connections whose children are above the limit, by requests that leave it in the child
sub grow { my ($conn, $bytes) = @_; $conn->get("/poolprobe?pool=child&bytes=$bytes"); return json_of($conn->response->{body})->{pid} }

my $status = "<Location /server-status>\nSetHandler server-status\n</Location>\n";
my $room   = $prefork
    ? "StartServers 6\nMinSpareServers $spare\nMaxSpareServers 20\nServerLimit 30\nMaxRequestWorkers 30\n"
    : "StartServers 3\nServerLimit 8\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads $spare\nMaxSpareThreads 80\nMaxRequestWorkers 80\n";

subtest 'downloads' => sub {
    my $s = server('downloads', "PoolStatMaxChild 30M\n${status}Alias /dl \"" . PST::stage()->{top} . "/t/logs/servers/max-downloads/dl\"\n"
        . "<Directory \"" . PST::stage()->{top} . "/t/logs/servers/max-downloads/dl\">\nRequire all granted\n</Directory>\n", limits => $room, @soon);
    mkdir "$s->{dir}/dl";
    my $body = join '', map { sprintf "%07x\n", $_ * 2654435761 % 268435456 } 1 .. 2 * $MIB;    # 16 MiB
    PST::Stage::write_file("$s->{dir}/dl/big", $body);
    my $want = md5_hex($body);
    chmod 0755, "$s->{dir}/dl";
    my %before = map { $_->{pid} => 1 } @{ $s->json->{children} };

    # two or three from each of at least two children: who accepts is chance
    my (@conn, %grown);
    for (1 .. 400) {
        last if @conn >= 5 && keys %grown >= 2;
        my $conn = PST::Conn->new($s->port);
        $conn->get('/poolprobe');
        my $pid = json_of($conn->response->{body})->{pid};
        next if ($grown{$pid} // 0) >= 3;
        grow($conn, 40 * $MIB);
        $conn->get('/dl/big');
        $conn->some(1000);
        push @conn, $conn;
        $grown{$pid}++;
    }
    cmp_ok(scalar keys %grown, '>=', 2, 'downloads from children above the limit: ' . keys %grown);
    my @left = wait_leaving($s, 1);
    is(scalar @left, 1, 'one of them leaves') or diag($s->log_text);
    ok($left[0] && $grown{ $left[0]{pid} }, 'one that is above it');
    cmp_ok($left[0]{size}, '>', 40 * $MIB, 'its size');
    is("$left[0]{limit} $left[0]{of}", 30 * $MIB . ' reserved', 'the limit');
    cmp_ok($left[0]{idle}, '>=', $spare, 'with MinSpare idle beside it');

    # three more points of its history later the others still wait
    my $least = 1e9;
    my ($other) = grep { $_ != $left[0]{pid} } keys %grown;
    beats_pass($s, $other, 3, sub { my $idle = idle_workers($s); $least = $idle if $idle < $least });
    is(scalar leaving($s), 1, 'while it has downloads no other leaves');
    ok(-d "/proc/$left[0]{pid}", 'and it is there');
    my @long;
    ok(wait_for(sub { @long = $s->log_text =~ /PST0021: child (\d+) has been leaving for (\d+) s, .*?: (\d+) connections still keep it/g; @long }, 10),
        'which takes long, and is said');
    is("$long[0]: $long[2]", "$left[0]{pid}: $grown{ $left[0]{pid} }", 'of whom, and how many connections');

    beats_pass($s, $other, 2);
    is(scalar(() = $s->log_text =~ /PST0021.*\b$left[0]{pid}\b/g), 1, 'once');

    # slow readers, side by side
    my $broken = 0;
    my %open = map { $_ => $conn[$_] } 0 .. $#conn;
    while (%open) {
        for my $i (keys %open) {
            my $conn = $open{$i};
            $conn->some(length($conn->{buffer}) + 1_000_000, 2);
            next if length $conn->{buffer} < length $body && $conn->{open};
            my $r = $conn->response(timeout => 20);
            $broken++ if !$r->{complete} || md5_hex($r->{body}) ne $want;
            delete $open{$i};
        }
        my $idle = idle_workers($s);
        $least = $idle if $idle < $least;
    }
    is($broken, 0, 'all downloads are whole, byte by byte');
    $_->close for @conn;
    @left = wait_leaving($s, scalar keys %grown, 30);
    is(join(' ', sort map { $_->{pid} } @left), join(' ', sort keys %grown), 'then all that were above it leave, and no others') or diag($s->log_text);
    ok(wait_for(sub { $least = $_ < $least ? $_ : $least for idle_workers($s); !grep { -d "/proc/$_" } keys %grown }, 15), 'and are gone')
      or diag(join ' ', keys %grown);
    my $wrong;
    ok(wait_for(sub { $wrong = one_by_one($s, @left); !$wrong }, 5), 'one after the other') or diag($wrong);
    cmp_ok($least, '>=', $spare, 'MinSpare workers were idle all the time');
    ok(scalar(grep { !$grown{$_->{pid}} } @{ $s->json->{children} }), 'others serve');
    my %ended = ended($s);
    is(join(' ', map { $ended{$_}{ended_how} // '?' } keys %grown), join(' ', ('orderly') x keys %grown), 'they ended in order');
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/exit signal|scoreboard is full|BUG/, 'no crash, nothing to complain about');
};

subtest 'clients that keep their connections' => sub {
    my $s = server('clients', "PoolStatMaxChild 20M\n", limits => $room, @soon);
    my ($answered, $closed, $broken) = (0, 0, 0);
    my @conn;
    my $until = time + 60;
    while (leaving($s) < 3 && time < $until) {
        for my $i (0 .. 3) {
            for my $try (1 .. 5) {
                my $new = !$conn[$i];
                $conn[$i] //= PST::Conn->new($s->port);
                $conn[$i]->get('/poolprobe?pool=child&bytes=1000000');
                my $r = $conn[$i]->response(timeout => 10);
                if ($r->{complete} && $r->{status} == 200) {
                    $answered++;
                    undef $conn[$i] if ($r->{headers}{connection} // '') =~ /close/i;
                    last;
                }
                # a kept connection may be closed between two requests; no other, and never within an answer
                $r->{status} || length $conn[$i]{buffer} || $new ? $broken++ : $closed++;
                undef $conn[$i];
            }
        }
    }
    my @left = leaving($s);
    cmp_ok(scalar @left, '>=', 3, 'three children are replaced under traffic');
    is($broken, 0, "no answer of $answered was broken; $closed connections were closed between two");
    my $wrong;
    ok(wait_for(sub { $wrong = one_by_one($s, @left); !$wrong }, 15), 'one after the other') or diag($wrong);
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/exit signal|scoreboard is full|BUG/, 'no crash');
};

# Nothing is idle beside it: the parent is made to start another first.
subtest 'a replacement first' => sub {
    my $s = server('first', "PoolStatMaxChild 20M\n$status", @soon, limits => $prefork
        ? "StartServers 3\nMinSpareServers 3\nMaxSpareServers 4\nServerLimit 8\nMaxRequestWorkers 8\n"
        : "StartServers 1\nServerLimit 4\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 6\nMaxSpareThreads 40\nMaxRequestWorkers 40\n");
    my $conn = PST::Conn->new($s->port);
    my $pid  = grow($conn, 30 * $MIB);
    $conn->close;
    my $least = 1e9;
    my @left;
    # with traffic that takes every worker in turn: its own idle ones stay out of the count between two requests
    ok(wait_for(sub { for (1 .. 20) { my ($i) = idle_workers($s); $least = $i if $i < $least } @left = leaving($s); @left }, 20), 'it leaves')
      or diag($s->log_text);
    is($left[0]{pid}, $pid, 'the one above');
    cmp_ok($left[0]{idle}, '>=', $prefork ? 3 : 6, 'when there are enough beside it');
    ok(wait_for(sub { my ($i) = idle_workers($s); $least = $i if $i < $least; !-d "/proc/$pid" }, 20), 'and is gone');
    cmp_ok($least, '>=', 6, 'no fewer were idle, all the time') unless $prefork;    # there its letter is another
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/exit signal|scoreboard is full|BUG|PST0019/, 'nothing to complain about');
};

subtest 'no room for a replacement' => sub {
    my $s = server('room', "PoolStatMaxChild 20M\n", @soon, limits => $prefork
        ? "StartServers 2\nMinSpareServers 2\nMaxSpareServers 2\nServerLimit 2\nMaxRequestWorkers 2\n"
        : "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 10\nMaxRequestWorkers 10\n");
    my $conn = PST::Conn->new($s->port);
    my $pid  = grow($conn, 30 * $MIB);
    $conn->close;
    ok(wait_for(sub { $s->log_text =~ /PST0019/ }, 10), 'it says that it stays') or diag($s->log_text);
    beats_pass($s, $pid, 3);
    is(scalar leaving($s), 0, 'and does not leave');
    is(scalar(() = $s->log_text =~ /PST0019/g), 1, 'said once');
    is($s->stop, 0, 'stops');
};

subtest 'a limit that no child can keep' => sub {
    my $s = server('futile', "PoolStatMaxChild 200K\n", limits => $room, @soon);
    my $pids;
    ok(wait_for(sub { $pids = join ' ', sort map { $_->{pid} } @{ $s->json->{children} }; split(' ', $pids) == ($prefork ? 6 : 3) }, 10),
        'all are there');
    ok(wait_for(sub { $s->log_text =~ /PST0017: PoolStatMaxChild is 204800 bytes reserved, but a child has \d+ right after its start/ }, 10), 'is told')
      or diag($s->log_text);
    beats_pass($s, (split ' ', $pids)[0], 3);
    is(scalar(() = $s->log_text =~ /PST0017/g), 1, 'once');
    is(scalar leaving($s), 0, 'nobody leaves');
    is(join(' ', sort map { $_->{pid} } @{ $s->json->{children} }), $pids, 'the same children');
    is($s->stop, 0, 'stops');
};

subtest 'young children stay' => sub {
    plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
    my $s = server('young', "PoolStatMaxChild 20M\n", limits => $room);
    my $conn = PST::Conn->new($s->port);
    my $pid  = grow($conn, 30 * $MIB);
    beats_pass($s, $pid, 3);
    is(scalar leaving($s), 0, 'one that is not a minute old');
    is($s->stop, 0, 'stops');
};

subtest 'of PSS' => sub {
    my $s = server('pss', "PoolStatMaxChild 60M pss\n", limits => $room, @soon);
    my $conn = PST::Conn->new($s->port);
    $conn->get('/poolprobe?pool=child&bytes=200000000');
    my $pid = json_of($conn->response->{body})->{pid};
    beats_pass($s, $pid, 3);
    is(scalar leaving($s), 0, 'memory that is reserved but not touched counts for nothing');
    $conn->get('/poolprobe?pool=child&printf=60000000');
    is(json_of($conn->response->{body})->{pid}, $pid, 'and touched');
    $conn->close;
    my @left = wait_leaving($s, 1);
    is($left[0]{pid}, $pid, 'it leaves') or diag($s->log_text);
    is($left[0]{of}, 'PSS', 'for its PSS');
    cmp_ok($left[0]{size}, '>', 60 * $MIB, 'which is above');
    ok(wait_for(sub { !-d "/proc/$pid" }, 15), 'and is gone');
    is($s->stop, 0, 'stops');
};

# A child may write to every block: nobody leaves for what it wrote.
subtest 'figures that others wrote' => sub {
    for (['reserved', '', 'child_reserved_bytes'], ['PSS', ' pss', 'pss_bytes']) {
        my ($what, $of, $figure) = @$_;
        my $s = server("wrote-$what", "PoolStatMaxChild 400M$of\n", limits => $room, @soon);
        my ($pid) = sort map { $_->{pid} } @{ $s->json->{children} };
        beats_pass($s, $pid, 3);    # no child is too young
        my $board = PST::Board->new($s->board);
        my $written = 0;
        beats_pass($s, $pid, 4, sub { $written += $board->write($figure, 1 << 40) });
        cmp_ok($written, '>', 0, "1 TB was written: $what");
        is(scalar leaving($s), 0, 'and nobody leaves') or diag($s->log_text =~ /(.*PST0018.*)/);
        is($s->stop, 0, 'stops');
    }
};

subtest 'where it cannot work' => sub {
    plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
    my $s = server('nodog', "PoolStatMaxChild 20M\n", flags => [ '-D', 'PoolStatNoWatchdog' ]);
    like($s->log_text, qr/PST0016: PoolStatMaxChild does nothing: children have no watchdog/, 'without a watchdog');
    is($s->stop, 0, 'stops');
    $s = server('hooks', "PoolStatInstrument Off\nPoolStatMaxChild 20M\n");
    like($s->log_text, qr/PST0016: PoolStatMaxChild does nothing: without PoolStatInstrument only pss is known/, 'without figures');
    is($s->stop, 0, 'stops');
    $s = PST::Server->new('max-x', conf => "PoolStatMaxChild 20M\n", @soon);
    ok($s->start('-X'), 'one process');
    like($s->log_text, qr/PST0016: PoolStatMaxChild does nothing: there is one process/, 'is told');
    my $conn = PST::Conn->new($s->port);
    beats_pass($s, grow($conn, 30 * $MIB), 3);
    ok($s->answers(5), 'and stays');
    $s->stop;
    unlike($s->log_text, qr/PST0018/, 'nobody left');
};
done_testing;
