# What was asked for: the table by URL says what the access log says, to the request and byte, over children that end and
# are replaced, restarts and HTTP/2; whatever clients send is one of its rows at most; all faces have the same.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my %limits = (
    prefork => "StartServers 2\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 4\nMaxRequestWorkers 4\n",
    other   => "StartServers 1\nServerLimit 4\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 32\nMaxRequestWorkers 16\n",
);

sub server {
    my ($name, $conf, %o) = @_;
    my $s = PST::Server->new($name, conf => <<"EOT" . two_hosts() . ($conf // ''), limits => $limits{ mpm() } // $limits{other}, %o);
LogFormat "%v %U" asked
CustomLog "access" asked
Protocols h2c http/1.1
AcceptFilter http none
EOT
    ok($s->start, "$name: a server") or BAIL_OUT($s->start_text . $s->log_text);
    return $s;
}

# Of the access log, folded by the few rules that these paths need; without our own faces.
sub logged {
    my ($s) = @_;
    my %logged;
    for (split /\n/, PST::Stage::read_file("$s->{dir}/access")) {
        my ($vhost, $path) = split / /, $_, 2;
        next if $path =~ m{^/pool-status};
        $path =~ s{\d\d+}{\{n\}}g;
        $logged{"$vhost $path"}++;
    }
    return \%logged;
}

sub told { my ($urls) = @_; return { map { ("$_->{vhost} $_->{path}" => $_->{requests}) } @{ $urls->{by_url} } } }

# A child that ends may take a connection along that nobody served yet.
sub json { my ($s) = @_; my $json; wait_for(sub { $json = eval { $s->json } }, 20); return $json }

# A request counts when its pool goes, and a child when the parent hears of its end: wait until all is there.
sub same {
    my ($s, $what) = @_;
    my ($logged, $urls);
    ok(wait_for(sub {
        $urls = json($s)->{urls};
        $logged = logged($s);
        my $told = told($urls);
        return 0 if grep { ($told->{$_} // 0) != $logged->{$_} } keys %$logged;
        return !grep { !defined $logged->{$_} } keys %$told;
    }, 20), "$what: the table is the access log's") or do { is_deeply(told($urls), $logged, $what) };
    my $sum = 0;
    $sum += $_ for values %$logged;
    is($urls->{requests}, $sum, "$what: and their sum");
    for my $by (qw(by_vhost by_handler)) {
        my %sum;
        for my $row (@{ $urls->{$by} }) { $sum{$_} += $row->{$_} for qw(requests sum_bytes) }
        is_deeply(\%sum, { requests => $sum, sum_bytes => $urls->{sum_bytes} }, "$what: $by adds up to it");
    }
    is($urls->{missed_requests}, 0, "$what: nothing was missed");
    return $urls;
}

sub mix {
    my ($s, $times) = @_;
    for my $i (1 .. $times) {
        my $host = $i % 3 ? 'first.example' : 'second.example';
        $s->fetch('/small.txt', host => $host);
        $s->fetch('/poolprobe/u/' . (1000 + $i) . '?output=2&secret=' . $i, host => $host);
        $s->fetch('/refused', host => $host);
        $s->fetch('/not-there/at%20all', host => $host);
    }
    my $conn = PST::Conn->new($s->port);
    for (1 .. $times) { $conn->get('/small.txt'); $conn->response }
    $conn->close;
}

subtest 'as the access log' => sub {
    my $s = server('urls');
    mix($s, 12);
    my $urls = same($s, 'a mix');
    my ($row) = grep { $_->{path} eq '/poolprobe/u/{n}' && $_->{vhost} eq 'first.example' } @{ $urls->{by_url} };
    is($row->{handler}, 'poolprobe', 'its handler');
    is($row->{requests}, 8, 'numbers are one row');
    is(scalar(grep { $_->{path} eq '/not-there/at all' } @{ $urls->{by_url} }), 2, 'a path is as it was understood');

    # exact bytes: what a probe has at most
    my $before = (grep { $_->{path} eq '/poolprobe/big' } @{ $urls->{by_url} })[0];
    ok(!$before, 'nothing big yet');
    my @peaks;
    for my $bytes (3_000_000, 5_000_000, 1_000_000) {
        my $p = PST::Probe->start("pool=subpool&bytes=$bytes", path => '/poolprobe/big', hold => [qw(hold hold2)], port => $s->port, ask => $s->port, host => 'first.example');
        my $full = $p->arrived('hold');
        push @peaks, $full->{request_reserved} + $full->{reserved_after};
        $p->release('hold');
        $p->arrived('hold2');
        $p->finish;
    }
    ok(wait_for(sub { ($row) = grep { $_->{path} eq '/poolprobe/big' } @{ $s->json->{urls}{by_url} }; $row && $row->{requests} == 3 }, 20), 'three big ones');
    my $sum = eval { my $n = 0; $n += $_ for @peaks; $n };
    is($row->{sum_bytes}, $sum, 'the sum of their peaks');
    is($row->{largest_bytes}, (sort { $b <=> $a } @peaks)[0], 'the largest');
    is($row->{mean_bytes}, int($sum / 3 + 0.5), 'the mean');
    is($s->json->{urls}{by_url}[0]{path}, '/poolprobe/big', 'what took most comes first');

    SKIP: {
        skip lacks('h2load'), 1 if lacks('h2load');
        like(`h2load -n 60 -c 2 -m 10 http://127.0.0.1:@{[ $s->port ]}/small.txt http://127.0.0.1:@{[ $s->port ]}/poolprobe/h2?output=50 2>&1`, qr/ 60 succeeded/, '60 streams');
    }
    same($s, 'HTTP/2');

    # agreement
    my ($json, $text, $page);
    my @keys = qw(requests sum_bytes mean_bytes largest_bytes script_requests missed_requests missed_bytes);
    my $of_text = sub {
        my ($text) = @_;
        my @rows;
        while ($text =~ /^UrlsUrl\.(\d+)\.(\w+): (.*)$/mg) { $rows[$1 - 1]{ lc $2 } = $3 }
        return [map { my $row = $_; join ' ', map { $row->{$_} // '?' } 'vhost', 'path', map { my $k = $_; $k =~ s/_//g; $k } @keys } @rows];
    };
    my $of_json = sub { return [map { my $row = $_; join ' ', map { $row->{$_} // '-' } 'vhost', 'path', @keys } @{ $_[0]{urls}{by_url} }] };
    is_deeply($of_text->($s->fetch('/pool-status?auto')->{body}), $of_json->($s->json), '?auto has the same as JSON');
    my $command = `@{[ stage()->{top} ]}/poolstat json --file @{[ $s->board ]} 2>&1`;
    $command = json_of($command);
    ok($command, 'the command') or return;
    is_deeply($of_json->($command), $of_json->($s->json), 'has the same, too');
    my $table = `@{[ stage()->{top} ]}/poolstat urls --file @{[ $s->board ]} --limit 3 2>&1`;
    like($table, qr{^ *Requests .* Path\n.* /poolprobe/big\n(?:.*\n){2}3 of }, 'poolstat urls prints a table');
    $page = $s->fetch('/pool-status')->{body};
    like($page, qr{id="urls"}, 'the page has a table');
    like($page, qr{<bdi class="line">/poolprobe/big</bdi>}, 'of these');
    is($s->stop, 0, 'it stops');
    unlike($s->log_text, qr/exit signal/, 'no crash');
};

subtest 'children that end' => sub {
    my $s = server('urls-lives', "MaxConnectionsPerChild 7\n");
    my %pids;
    for (1 .. 4) { mix($s, 4); $pids{ $_->{pid} } = 1 for @{ json($s)->{children} } }
    cmp_ok(scalar keys %pids, '>', 1, 'children were replaced');
    same($s, 'over their lives');
    ok($s->graceful, 'a graceful restart');
    mix($s, 3);
    same($s, 'and over a restart');
    # one that is killed
    my ($pid) = map { $_->{pid} } @{ json($s)->{children} };
    kill KILL => $pid;
    ok(wait_for(sub { my $now = eval { json($s) } or return 0; !grep { $_->{pid} == $pid } @{ $now->{children} } }, 20), 'one was killed');
    mix($s, 2);
    same($s, 'and what it had served stays');
    is($s->stop, 0, 'it stops');
};

subtest 'hostile paths' => sub {
    my $s = server('urls-hostile');
    my $long = '/long/' . 'x' x 3000;
    my @paths = ("/%01%1b%7f\\x\"'<b>&", '/' . "\xc3\xa4\xff\xfe" . '/%c3%28', $long, '/{n}/{id}', '/a/../../b', '//x//y', "/7/77/777?q=<s>",
        '/' . join('/', map { "d$_" } 10 .. 400), '/6ba7b810-9dad-11d1-80b4-00c04fd430c8');
    for my $path (@paths) { $s->fetch($path) for 1 .. 2 }
    my $bad = PST::Conn->new($s->port);
    $bad->send("GET\r\n\r\n");
    $bad->response;
    $bad->close;
    my $json = $s->json;
    ok(wait_for(sub { $json = $s->json; grep { $_->{path} eq '' } @{ $json->{urls}{by_url} } }, 20), 'what could not be read is told');
    ok(wait_for(sub { $json = $s->json; $json->{urls}{requests} >= 2 * @paths }, 20), 'all are told');
    my %row = map { ($_->{path} => $_) } @{ $json->{urls}{by_url} };
    ok((grep { /^\/long\/x+\.\.\.$/ && length($_) <= 111 } keys %row), 'a long one is cut');
    is($row{'/{id}'}{requests}, 2, 'an id');
    is($row{'/{n}/{n}/{n}'}{requests}, 2, 'numbers');
    my $page = $s->fetch('/pool-status')->{body};
    unlike($page, qr/<b>&amp;|<b>&|<s>|[\x01-\x08\x1b\x7f]/, 'nothing of it is markup, or a control character');
    is($s->stop, 0, 'it stops');
};

subtest 'more than there are rows' => sub {
    my $s = server('urls-many');
    my $sent = 0;
    my $conn = PST::Conn->new($s->port);
    for my $n (0 .. 419) {
        my $word = join '', map { chr(ord('g') + $_) } $n % 20, int($n / 20) % 20, int($n / 400);
        for my $path ("/poolprobe/$word?output=2", $n % 20 ? () : '/poolprobe/hot?pool=subpool&bytes=400000') { $conn->get($path); $conn->response; $sent++ }
    }
    $conn->close;
    my $urls;
    ok(wait_for(sub { $urls = $s->json->{urls}; $urls->{by_url}[0]{path} eq '/poolprobe/hot' && $urls->{requests} >= $sent }, 20), 'what took most comes first');
    my $hot = $urls->{by_url}[0];
    is($hot->{requests}, 21, 'to the request');
    cmp_ok($urls->{requests}, '>=', $sent, 'none is missing in the sum');
    is($s->stop, 0, 'it stops');
};

subtest 'not to be shown' => sub {
    my $s = server('urls-none', '', show => 'PoolStatShow none');
    my $token = token('hidden');
    $s->fetch("/poolprobe/$token?output=2") for 1 .. 3;
    my $urls;
    ok(wait_for(sub { $urls = $s->json->{urls}; ($urls->{by_url}[0]{requests} // 0) >= 3 }, 20), 'they are counted');
    is_deeply([map { $_->{path} } @{ $urls->{by_url} }], ['-'], 'by vhost alone');
    is(index(PST::Stage::read_file($s->board), $token), -1, 'the path is nowhere on the board');
    is($s->stop, 0, 'it stops');
};
done_testing;
