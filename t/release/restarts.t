# Releases without a pause, load without a pause, and graceful restarts at once: no request fails, the books
# balance afterwards, nobody crashes.
use strict;
use warnings;
use PST;
use PST::Server;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my ($restarts, $least, $most) = (5, 8, stage()->{san} ? 60 : 25);
my $s = PST::Server->new('release-restarts', conf => "ServerName main.example\nPoolStatControl On\nPoolStatRelease 8M\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

# A loop in a process of its own until it is told to end: a line for each answer that is none of 200.
my @loops;
sub loop {
    my ($name, $once) = @_;
    my $file = "$s->{dir}/$name";
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        my ($on, $count, @bad) = (1, 0);
        $SIG{TERM} = sub { $on = 0 };
        my $until = time + $most;
        while ($on && time < $until) {
            my $r = eval { $once->() } // { status => 0, body => "$@" };
            last if !$on;       # the signal may have cut it short
            $count++;
            push @bad, "$r->{status}: " . substr($r->{body} // '', 0, 200) if $r->{status} != 200 && @bad < 20;
        }
        PST::Stage::write_file($file, join "\n", $count, @bad);
        POSIX::_exit(0);
    }
    push @loops, { pid => $pid, file => $file, name => $name };
}

my $nonce = $s->json->{server}{release_nonce};
for my $n (1 .. 2) {
    loop("post$n", sub {
        return $s->fetch('/pool-status/release', method => 'POST', body => "nonce=$nonce", timeout => 15,
            headers => [ 'Accept: application/json', 'Content-Length: ' . (6 + length $nonce) ]);
    });
}
loop("get$_", sub { $s->fetch('/poolprobe?pool=request&bytes=50000&pieces=20&touch=1&output=300', timeout => 15) }) for 1 .. 2;
defined(my $ab = fork) or die "fork: $!\n";
if (!$ab) {
    open STDOUT, '>', "$s->{dir}/ab";
    open STDERR, '>&', \*STDOUT;
    exec 'ab', '-q', '-n', 10_000_000, '-t', $most, '-c', 3, "http://127.0.0.1:@{[ $s->port ]}/poolprobe?pool=connection&bytes=20000&pieces=10&output=200"
      or POSIX::_exit(127);
}

my ($done, $begun) = (0, time);
while ($done < $restarts || time < $begun + $least) {
    my $releases = sub { my $sum = 0; $sum += $_->{releases} for @{ $s->json->{children} }; return $sum };
    my $now = $releases->();
    last if !wait_for(sub { $releases->() > $now + 20 || time > $begun + $least }, 10) || !$s->graceful;
    $done++;
}
cmp_ok($done, '>=', $restarts, "$done graceful restarts meanwhile");
kill TERM => map { $_->{pid} } @loops;
kill INT => $ab;
for my $loop (@loops) {
    waitpid $loop->{pid}, 0;
    my ($count, @bad) = split /\n/, PST::Stage::read_file($loop->{file});
    cmp_ok($count, '>', 10, "$loop->{name}: $count requests");
    is("@bad", '', 'none failed');
}
waitpid $ab, 0;
my $text = PST::Stage::read_file("$s->{dir}/ab");
my ($count) = $text =~ /^Complete requests:\s+(\d+)/m;
cmp_ok($count // 0, '>', 50, 'ab: ' . ($count // 'no') . ' requests') or diag($text);
like($text, qr/^Failed requests:\s+0$/m, 'none failed');
unlike($text, qr/^Non-2xx/m, 'nor was any refused');

my @wrong;
ok(wait_for(sub { @wrong = books_balance($s->json); !@wrong }, 20), 'the books balance') or diag(join "\n", @wrong);
ok($s->answers(20), 'it answers');
is($s->stop, 0, 'stops in order');
unlike($s->log_text, qr/exit signal|AH0005[12]|PST0002|PST0005/, 'no crash, and nothing to complain about');
done_testing;
