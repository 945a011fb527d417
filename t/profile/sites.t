# Call sites: a leak of many nodes is the top site, led by the function that leaks, with its
# bytes within the bound that sampling allows; live follows the pool, ever stays; scopes;
# the streaming leak; Off.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $limits = mpm() eq 'prefork'
    ? "StartServers 3\nMinSpareServers 3\nMaxSpareServers 3\nServerLimit 6\nMaxRequestWorkers 6\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 10\nMaxRequestWorkers 10\n";
my $s = PST::Server->new('sites', conf => "PoolStatProfile 64K\n", limits => $limits);
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

# sites of a child that the probe's function leads; those of one scope, if given
sub led_by {
    my ($json, $pid, $function, $scope) = @_;
    return grep { @{ $_->{frames} } && ($_->{frames}[0]{function} // '') eq $function && (!$scope || $_->{scope} eq $scope) }
      @{ child_of($json, $pid)->{sites} };
}
sub sum { my ($key, @sites) = @_; my $sum = 0; $sum += $_->{$key} for @sites; return $sum }
sub within { my ($got, $want, $percent, $what) = @_;
    cmp_ok(abs($got - $want), '<=', $want * $percent / 100, sprintf "%s: %d of %d (%+.1f %%)", $what, $got, $want, 100 * ($got - $want) / $want) }

# 64 MiB at 64 KiB: 1024 samples expected, a standard deviation of 3.1 %; 20 % are more than six of them
my $BYTES = 8152;             # a node of 8192 each
my $COUNT = 8192;
my $LEAK  = $COUNT * 8192;

for my $case ([ 'request', 'request', 'request' ], [ 'connection', 'connection', 'transaction' ], [ 'subpool', 'request', 'poolprobe' ], [ 'childsub', 'process', 'poolprobe' ]) {
    my ($pool, $scope, $tag) = @$case;
    subtest "a leak in $pool" => sub {
        my $p = PST::Probe->start("pool=$pool&leak_here=$COUNT&bytes=$BYTES", hold => [qw(hold0 hold hold2)], port => $s->port, ask => $s->port);
        my $pid = $p->arrived('hold0')->{pid};
        my @before = led_by($s->json, $pid, 'poolprobe_leak', $scope);
        $p->release('hold0');
        my $report = $p->arrived('hold', 60);
        cmp_ok($report->{reserved_after} - $report->{reserved_before}, '>=', $LEAK - 16384, 'the probe took as much');
        my $json = $s->json;
        my $top  = child_of($json, $pid)->{sites}[0];
        is($top->{frames}[0]{function}, 'poolprobe_leak', 'the top site is the probe\'s function') or diag(explain($top));
        is($top->{frames}[0]{module}, 'mod_poolprobe.so', 'in its module');
        like($top->{frames}[0]{place}, qr/^mod_poolprobe\.so poolprobe_leak\+0x[0-9a-f]+$/, 'said as people say it');
        cmp_ok(scalar @{ $top->{frames} }, '>=', 5, 'with its callers');
        is(scalar(grep { ($_->{function} // '') eq 'ap_run_handler' } @{ $top->{frames} }), 1, 'httpd among them');
        is(scalar(grep { $_->{module} =~ /^mod_poolstat|^libapr/ } @{ $top->{frames} }), 0, 'and nothing of ours or of APR');
        is($top->{scope}, $scope, "scope $scope");
        is($top->{tag}, $tag, "class $tag") unless $pool eq 'connection' && mpm() ne 'prefork' && $top->{tag} eq '';
        my @held = led_by($json, $pid, 'poolprobe_leak', $scope);
        within(sum(live_bytes => @held), $LEAK, 20, 'live bytes');
        within(sum(ever_bytes => @held) - sum(ever_bytes => @before), $LEAK, 20, 'bytes ever');
        within(sum(live_samples => @held), $LEAK / 65536, 20, 'samples');
        my ($total) = grep { ($_->{frames}[0]{function} // '') eq 'poolprobe_leak' && $_->{scope} eq $scope } @{ $json->{total}{sites} };
        is($total->{live_bytes}, $top->{live_bytes}, 'the same in the total');
        my $page = $s->fetch("/pool-status?pid=$pid")->{body};
        like($page, qr/mod_poolprobe\.so poolprobe_leak\+0x/, 'the page names it');
        $p->finish;
        $p->conn->close;
        my @after;
        ok(wait_for(sub { @after = led_by($s->json, $pid, 'poolprobe_leak', $scope); sum(live_samples => @after) == 0 }, 10), 'afterwards nothing is live')
          or diag(explain(\@after));
        is(sum(live_bytes => @after), 0, 'not a byte');
        is(sum(live_sampled_bytes => @after), 0, 'nor a sampled one');
        is(sum(ever_bytes => @after), sum(ever_bytes => @held), 'but what was ever stays');
    };
}

subtest 'a clear' => sub {
    my $p = PST::Probe->start("pool=childsub&leak_here=$COUNT&bytes=$BYTES&free=clear", hold => [qw(hold hold2)], port => $s->port, ask => $s->port);
    my $pid = $p->arrived('hold', 60)->{pid};
    my @held = led_by($s->json, $pid, 'poolprobe_leak');
    cmp_ok(sum(live_bytes => @held), '>', $LEAK / 2, 'live');
    $p->release('hold');
    $p->arrived('hold2');
    my @after = led_by($s->json, $pid, 'poolprobe_leak');
    is(sum(live_bytes => @after), 0, 'cleared: live no more, the pool lives on');
    is(sum(ever_bytes => @after), sum(ever_bytes => @held), 'ever stays');
    $p->finish;
};

# httpd's bug 33382: a brigade for each read, none destroyed; and a stream that does not
for my $scope (qw(connection request)) {
    subtest "a stream that leaks into its $scope" => sub {
        my $healthy = PST::Conn->new($s->port);
        $healthy->get('/poolprobe?stream=400&chunk=1000&every=20&n=' . token('healthy'));
        my $name = token('leak');
        my $conn = PST::Conn->new($s->port);
        $conn->get("/poolprobe?stream=400&chunk=64&every=20&leak=$scope&brigades=1000&n=$name");
        my ($row, @site, $top);
        ok(wait_for(sub {
            my $json = $s->json;
            $row = row_of($json, $name) or return;
            @site = led_by($json, $row->{pid}, 'poolprobe_read', $scope);
            $top = child_of($json, $row->{pid})->{sites}[0];
            # until it is more than the answer that tells takes
            return sum(live_samples => @site) >= 10 && ($top->{frames}[0]{function} // '') eq 'poolprobe_read';
        }, 10), 'within ten seconds the function that makes them is a call site');
        is($top && $top->{frames}[0]{function}, 'poolprobe_read', 'the top one');
        is($top && $top->{scope}, $scope, "of scope $scope");
        $_->close for $conn, $healthy;
        ok(wait_for(sub { !row_of($s->json, $name) }, 15), 'the client leaves');
        ok(wait_for(sub { sum(live_samples => led_by($s->json, $row->{pid}, 'poolprobe_read')) == 0 }, 15), 'and nothing is live');
    };
}

subtest 'counted' => sub {
    my $json = $s->json;
    is($_->{samples_lost}, 0, 'no sample was lost') for @{ $json->{children} };
    is($_->{profile_rate_bytes}, 65536, 'at the rate that was asked for') for @{ $json->{children} };
};
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');

my $off = PST::Server->new('sites-off', conf => "PoolStatProfile Off\n", limits => $limits);
ok($off->start, 'a server with PoolStatProfile Off') or BAIL_OUT($off->start_text . $off->log_text);
is($off->fetch("/poolprobe?pool=request&leak_here=$COUNT&bytes=$BYTES")->{status}, 200, 'that grows');
my $json = $off->json;
is(scalar(map { @{ $_->{sites} } } @{ $json->{children} }), 0, 'has no call sites');
is($json->{children}[0]{profile_rate_bytes}, 0, 'and says why');
ok(scalar(@{ $json->{total}{classes} }) > 5, 'but classes');
unlike($off->fetch('/pool-status')->{body}, qr/Call sites/, 'the page leaves them out');
is($off->fetch('/pool-status/profile')->{status}, 200, 'a profile is empty, not missing');
is($off->stop, 0, 'stops');
done_testing;
