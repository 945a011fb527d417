# The board's file: who may read it, and what happens when it is missing, in the way,
# out of reach, cut short or overwritten. httpd serves on, whatever is done to it.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

# Everything but the page works, nobody died, the page and JSON say something proper.
sub serves_on {
    my ($s, $after) = @_;
    subtest "after: $after" => sub {
        my $log = $s->log_text;
        for my $n (1 .. 10) {
            is($s->fetch('/small.txt')->{status}, 200, "small file $n") or last;
        }
        my $p = $s->fetch('/poolprobe?pool=connsub&bytes=300000&pieces=20');
        is($p->{status}, 200, 'a request that allocates');
        for my $face ('', '?auto', '/json') {
            my $r = $s->fetch("/pool-status$face");
            ok($r->{status} == 200 || $r->{status} == 503, "face \"$face\": $r->{status}");
            ok(json_of($r->{body}), 'valid JSON') if $face eq '/json' && $r->{status} == 200;
            ok(length $r->{body}, 'a sentence') if $r->{status} == 503;
        }
        my $new = substr $s->log_text, length $log;
        unlike($new, qr/exit signal/, 'no child died');
        ok(!$s->ended, 'the parent lives');
    };
}

subtest 'as it should be' => sub {
    my $s = PST::Server->new('file-good');
    PST::Stage::write_file($s->board, 'rubbish from before');
    ok($s->start, 'starts over an old file') or diag($s->start_text, $s->log_text);
    my @st = stat $s->board;
    ok(@st, 'the file is there');
    is(sprintf('%04o', $st[2] & 07777), '0600', 'of mode 0600');
    is($st[4], $>, 'and belongs to who started httpd');
    is(substr(PST::Stage::read_file($s->board), 0, 8), 'PSTBOARD', 'it is a board');
    is($s->fetch('/pool-status')->{status}, 200, 'the page');
    unlink $s->board;
    serves_on($s, 'the file is removed');
    ok($s->graceful, 'a graceful restart');
    ok($s->answers(10), 'answers');
    is($s->fetch('/pool-status/json')->{status}, 200, 'the page is there');
    is($s->stop, 0, 'stops');
};

subtest 'a link in its place' => sub {
    my $s = PST::Server->new('file-link', conf => "PoolStatFile linked.board\n");
    my $victim = "$s->{dir}/victim";
    PST::Stage::write_file($victim, 'precious');
    symlink $victim, "$s->{dir}/run/linked.board" or die $!;
    ok($s->start, 'starts');
    is(PST::Stage::read_file($victim), 'precious', 'what it points to is left alone');
    ok(!-l "$s->{dir}/run/linked.board", 'the link is replaced');
    is($s->fetch('/pool-status')->{status}, 200, 'the page');
    is($s->stop, 0, 'stops');
};

for my $where ('no/such/dir/x.board', 'isdir') {
    subtest "out of reach: $where" => sub {
        my $s = PST::Server->new('file-unreachable', conf => "PoolStatFile $where\n");
        mkdir "$s->{dir}/run/isdir";
        ok($s->start, 'httpd starts all the same') or diag($s->start_text, $s->log_text);
        my @said = grep /PST\d{4}:/ && /error\]/, split /\n/, $s->log_text . $s->start_text;
        cmp_ok(scalar @said, '>=', 1, 'one error line') or diag($s->log_text);
        is(scalar(grep !/\Q$where\E/, @said), 0, 'that names the file') or diag("@said");
        cmp_ok(scalar @said, '<=', 2, 'and not many');    # httpd reads its configuration twice
        is($s->fetch('/small.txt')->{status}, 200, 'files are served');
        for my $face ('', '?auto', '/json') {
            my $r = $s->fetch("/pool-status$face");
            is($r->{status}, 503, "face \"$face\" says 503");
            ok(length $r->{body}, 'with a sentence');
        }
        is($s->stop, 0, 'stops');
    };
}

my %hostile = (
    'cut to nothing'     => sub { truncate $_[0], 0 },
    'cut in the middle'  => sub { truncate $_[0], int((-s $_[0]) / 2) },
    'cut after a page'   => sub { truncate $_[0], 4096 },
    'header overwritten' => sub { _over($_[0], 0, 4096, sub { chr int rand 256 }) },
    'all ones'           => sub { _over($_[0], 0, -s $_[0], sub { "\xff" }) },
    'all zero'           => sub { _over($_[0], 0, -s $_[0], sub { "\0" }) },
    'random everywhere'  => sub { _over($_[0], 0, -s $_[0], sub { chr int rand 256 }) },
    'random but for the header' => sub { _over($_[0], 16384, (-s $_[0]) - 16384, sub { chr int rand 256 }) },
);

sub _over {
    my ($path, $from, $length, $byte) = @_;
    open my $f, '+<:raw', $path or die "$path: $!";
    seek $f, $from, 0;
    my $page = join '', map $byte->(), 1 .. 4096;
    while ($length > 0) {
        print {$f} substr $page, 0, $length < 4096 ? $length : 4096;
        $length -= 4096;
    }
    close $f;
}

my $seed = $ENV{PST_SEED} || time;
srand $seed;
note("PST_SEED=$seed");
for my $what (sort keys %hostile) {
    my $s = PST::Server->new('file-hostile');
    ok($s->start, 'a server') or next;
    my $held = PST::Probe->start('pool=request&bytes=100000', port => $s->port, ask => $s->port);
    $held->arrived('hold');
    $hostile{$what}->($s->board);
    serves_on($s, $what);
    is($held->finish->{status}, 200, 'the request that was there is answered');
    $held->conn->close;
    ok($s->graceful, 'a graceful restart') or diag($s->log_text);
    ok($s->answers(10), 'answers');
    serves_on($s, "$what, and a graceful restart");
    is($s->stop, 0, 'stops in order') or diag($s->log_text);
    unlike($s->log_text, qr/exit signal/, 'no child died');
    ok($s->start, 'starts again') or diag($s->start_text);
    my $json = eval { $s->json };
    ok($json && !books_balance($json) || wait_for(sub { $json = eval { $s->json }; $json && !books_balance($json) }, 10),
        'with a good board');
    is($s->stop, 0, 'stops');
}
done_testing;
