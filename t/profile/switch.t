# The heap profile switched while the server runs: by POST, by the page's form, by the command; in all children or one.
# Switched off nothing is seen and no table of calls leads to us; switched on later, what was there before is in no call
# site; a graceful restart brings back what is configured; who may not ask is refused.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
# two children, also after a restart
my $limits = mpm() eq 'prefork' ? "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nServerLimit 4\nMaxRequestWorkers 2\n"
    : "StartServers 2\nServerLimit 6\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 5\nMaxSpareThreads 12\nMaxRequestWorkers 8\n";
my $s = PST::Server->new('switch', limits => $limits, conf => "ServerName main.example\nPoolStatControl On\nPoolStatHeapProfile 16K\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

sub children { return { map { $_->{pid} => $_ } @{ $s->json->{children} } } }
sub rates { my $c = children(); return join ' ', map $c->{$_}{heap_profile_rate_bytes}, sort { $a <=> $b } keys %$c }

sub ask {
    my ($body, @headers) = @_;
    $body = 'nonce=' . $s->json->{server}{release_nonce} . "&$body";
    return $s->fetch('/pool-status/heap-profile', method => 'POST', body => $body, timeout => 15,
        headers => [ 'Content-Length: ' . length $body, @headers ? @headers : 'Accept: application/json' ]);
}

# of one child: live bytes of a scope at sites that lead through the probe
sub held {
    my ($pid, $scope) = @_;
    my $sum = 0;
    for my $site (@{ children()->{$pid}{sites} }) {
        $sum += $site->{live_bytes} if $site->{scope} eq $scope && grep { ($_->{function} // '') eq 'poolprobe_keep' } @{ $site->{frames} };
    }
    return $sum;
}

ok(wait_for(sub { keys %{ children() } == 2 }, 10), 'two children');
my @pids = sort { $a <=> $b } keys %{ children() };
my $began = children()->{$pids[0]}{heap_profile_since};
cmp_ok($began, '>', 0, 'since when it is on');

subtest 'off and on in all children' => sub {
    my $r = ask('rate=Off');
    is($r->{status}, 200, 'off') or return diag($r->{body}, $s->log_text);
    my $answer = json_of($r->{body});
    is("$answer->{heap_profile}{done} of $answer->{heap_profile}{asked}", '2 of 2', 'both did');
    is(rates(), '0 0', 'it is off in both');
    my $c = children();
    is($c->{$_}{heap_profile_since}, 0, 'since never') for @pids;
    is(scalar(grep { $_->{scope} =~ /^(?:heap|mapped)$/ && $_->{live_samples} } @{ $c->{$pids[0]}{sites} }), 0, 'nothing is live');
    like($s->fetch('/pool-status')->{body}, qr/Off in all children: who holds/, 'the page says so');
    is($s->fetch('/poolprobe?keep=malloc&heap=500&heap_bytes=4000')->{status}, 200, 'memory is taken');
    $c = children();
    is(scalar(grep { $_->{live_samples} && $_->{scope} ne 'process' && grep { ($_->{function} // '') eq 'poolprobe_keep' } @{ $_->{frames} } } map @{ $c->{$_}{sites} }, @pids), 0, 'nobody sees it');

    is(ask('rate=64K')->{status}, 200, 'on');
    is(rates(), '65536 65536', 'it is on in both, at another rate');
    is(held($_, 'heap'), 0, 'what was there before is in no call site') for @pids;
    is(children()->{$pids[0]}{heap_profile_since} > $began, 1, 'since later than at first');
    is($s->fetch('/poolprobe?keep=malloc&heap=3000&heap_bytes=4000')->{status}, 200, 'memory is taken');
    my @held = grep $_, map held($_, 'heap'), @pids;
    is(scalar @held, 1, 'one child has it');
    cmp_ok(abs($held[0] - 12e6), '<', 5e6, "and says so: $held[0] bytes");
    like($s->log_text, qr/:notice\] .*PST0032: the heap profile was switched on request, user -: a sample each 65536 bytes/, 'the log tells');
};

subtest 'one child' => sub {
    my $r = ask("rate=off&pid=$pids[1]", 'Accept: text/html');
    is($r->{status}, 200, 'by the form');
    like($r->{body}, qr{Heap profile switched by 1 of 1 children.*<th scope="row">$pids[1]</th>\s*<td[^>]*>done}s, 'a page tells');
    is(rates(), '65536 0', 'it is off there');
    like($s->fetch('/pool-status')->{body}, qr{<form [^>]*action="./pool-status/heap-profile".*<option value="$pids[1]">child $pids[1] \(Off\)}s, 'the page has a form');
    is(ask("rate=Off&pid=1")->{status}, 404, 'none that is no child');
};

subtest 'by the command' => sub {
    my $r = poolstat('profile', '--heap', '32K', '--pid', $pids[1]);
    is($r->{status}, 0, 'of one child') or return diag($r->{err});
    is($r->{out}, "child $pids[1]: done, a sample each: 32.0 KiB\n", 'it tells');
    is(rates(), '65536 32768', 'on there');
    $r = poolstat('profile', '--heap=Off', '--file', $s->board);
    is($r->{status}, 0, 'of all') or return diag($r->{err});
    is(join('', sort split /^/, $r->{out}), join('', sort map "child $_: done, a sample each: off\n", @pids), 'they tell');
    is(rates(), '0 0', 'off');
    is(poolstat('profile', '--heap', $_, '--file', $s->board)->{status}, 2, "not $_") for '1K', '2000G', 'x', '-1', '4096x';
};

subtest 'refused' => sub {
    is(ask($_)->{status}, 400, "'$_'") for 'rate=', 'rate=1K', 'rate=on', 'rate=99999999999999', 'rate=4K&rate=8K', 'rate=4K&of=heap', 'x';
    for my $bad ([ 'rate=Off', 403 ], [ 'nonce=' . 'a' x 24 . '&rate=Off', 403 ]) {
        is($s->fetch('/pool-status/heap-profile', method => 'POST', body => $bad->[0], headers => [ 'Content-Length: ' . length $bad->[0] ])->{status}, $bad->[1], 'without a good nonce');
    }
    is(ask('rate=Off', 'Origin: http://evil.example')->{status}, 403, 'another origin');
    like($s->log_text, qr/PST0011: a request to switch the heap profile was refused/, 'the log tells');
    is($s->fetch('/pool-status/heap-profile')->{status}, 405, 'GET does nothing');
    is(rates(), '0 0', 'nothing changed');
};

is(ask('rate=128K')->{status}, 200, 'all at 128K');
ok($s->graceful, 'a graceful restart');
ok(wait_for(sub { my $c = children(); keys %$c >= 2 && !grep { $c->{$_} } @pids }, 20), 'new children');
like(rates(), qr/^16384(?: 16384)+$/, 'begin as configured');
is($s->stop, 0, 'stops');

my $off = PST::Server->new('switch-off', limits => $limits, conf => "PoolStatHeapProfile 16K\n");
ok($off->start, 'a server without PoolStatControl') or BAIL_OUT($off->start_text . $off->log_text);
my $r = poolstat('profile', '--heap', 'Off', '--file', $off->board);
is($r->{status}, 3, 'the command is not heard');
like($r->{err}, qr/PoolStatControl is Off/, 'and says why');
$r = $off->fetch('/pool-status/heap-profile', method => 'POST', body => 'rate=Off', headers => ['Content-Length: 8']);
is($r->{status}, 403, 'nor is a POST');
is($off->json->{children}[0]{heap_profile_rate_bytes}, 16384, 'it is on');
is($off->stop, 0, 'stops');
done_testing;
