# Finished requests: the largest of them by the peak that the probe saw, exactly, in order, with
# what they were; how many were how large, by handler and vhost; what clients send stays text.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

# one child, or on prefork some of which none goes, so that all requests are known
sub one_child {
    my ($name, %o) = @_;
    return PST::Server->new($name, %o, limits => mpm() eq 'prefork'
        ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 8\nServerLimit 8\nMaxRequestWorkers 8\n"
        : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n");
}

my $s = one_child('largest', conf => two_hosts());
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

sub bucket { my ($peak) = @_; my $up = 8192; $up *= 2 while $up < $peak && $up < 512 << 20; return $peak > 512 << 20 ? undef : $up }

# A probe from start to end: what it had at hold (its peak: what it made is destroyed after) and at hold2.
sub probe {
    my ($bytes, %o) = @_;
    my $began = time;
    my $p = PST::Probe->start("pool=subpool&bytes=$bytes", hold => [qw(hold hold2)], port => $s->port, ask => $s->port, %o);
    my $full = $p->arrived('hold');
    $p->release('hold');
    my $end = $p->arrived('hold2');
    is($p->finish->{status}, 200, "$bytes bytes") if !$o{conn};
    $p->finish if $o{conn};
    return { name => $p->name, pid => $full->{pid}, peak => $full->{request_reserved} + $full->{reserved_after},
        reserved => $end->{request_reserved}, used => $end->{request_used}, began => $began, ended => time };
}

sub large { my ($of, $name) = @_; return grep { index($_->{line}, $name) >= 0 } @{ $of->{largest_requests} } }

# the probe is in its child's list as soon as its pool is gone
sub found {
    my ($probe) = @_;
    my ($row, $json);
    wait_for(sub { $json = $s->json; ($row) = large(child_of($json, $probe->{pid}), $probe->{name}); $row }, 10);
    return ($row, $json);
}

my $BIG = 10 * 1024 * 1024;

subtest 'a large request' => sub {
    my $probe = probe($BIG, host => 'second.example');
    my ($row, $json) = found($probe);
    ok($row, 'is listed by its child') or return;
    is($row->{peak_bytes}, $probe->{peak}, 'with its exact peak');
    is($row->{reserved_bytes}, $probe->{reserved}, 'what it still reserved at its end');
    cmp_ok($row->{used_bytes}, '>=', $probe->{used}, 'and used of that');
    cmp_ok($row->{used_bytes}, '<=', $row->{reserved_bytes}, 'no more than there was');
    like($row->{line}, qr{^GET /poolprobe\?n=\Q$probe->{name}\E&pool=subpool&bytes=$BIG}, 'its line');
    is($row->{vhost}, 'second.example', 'its vhost');
    is($row->{handler}, 'poolprobe', 'its handler');
    is($row->{pid}, $probe->{pid}, 'its child');
    cmp_ok($row->{duration_seconds}, '>', 0, 'it took some time');
    cmp_ok($row->{duration_seconds}, '<=', $probe->{ended} - $probe->{began} + 1, 'no more than that');
    cmp_ok($row->{finished}, '>=', $probe->{began}, 'it finished after it began');
    cmp_ok($row->{finished}, '<=', $json->{server}{time}, 'and before it was shown');
    my ($top) = large($json->{total}, $probe->{name});
    is_deeply($top, $row, 'the total has the same');
};

sub sizes_of {
    my ($of, $what, $name) = @_;
    my ($row) = $what ? grep({ !$_->{other} && $_->{ substr $what, 0, -1 } eq $name } @{ $of->{request_sizes}{$what} }) : $of->{request_sizes};
    return { map({ ($_->{up_to_bytes} // 'more') => $_->{requests} } @{ $row->{buckets} || [] }), all => $row->{requests} || 0 };
}

# of all children: on prefork each connection may meet another one
subtest 'how large requests are' => sub {
    my $before = $s->json->{total};
    my %want;
    my @sizes = (1, 100_000, 100_000, 1_000_000, 3_000_000, 3_000_000, 3_000_000, 40_000_000);
    my $last;
    for my $bytes (@sizes) {
        $last = probe($bytes, host => 'first.example');
        $want{ bucket($last->{peak}) }++;
    }
    found($last);
    my $after;
    for my $of (['vhosts', 'first.example'], ['handlers', 'poolprobe']) {
        for my $up (sort { $a <=> $b } grep { $_ > 32768 } keys %want) {
            ok(wait_for(sub {
                $after = $s->json->{total};
                (sizes_of($after, @$of)->{$up} // 0) - (sizes_of($before, @$of)->{$up} // 0) == $want{$up};
            }, 10), "@$of: $want{$up} more up to $up");
        }
    }
    for my $up (grep { $_ > 32768 } keys %want) {
        is((sizes_of($after)->{$up} // 0) - (sizes_of($before)->{$up} // 0), $want{$up}, "of all: $want{$up} more up to $up");
    }
};

subtest 'every request is counted' => sub {
    my ($json, @wrong);
    $s->fetch('/refused') for 1 .. 3;
    is($s->fetch('/refused')->{status}, 403, 'one that meets no handler');
    $s->fetch("/poolprobe?output=2") for 1 .. 5;
    ok(wait_for(sub {
        $json = $s->json;
        @wrong = ();
        for my $child (@{ $json->{children} }) {
            my $sum = $child->{request_sizes}{requests} + $child->{requests_unsized} + $child->{requests_own};
            push @wrong, "$child->{pid}: $sum of $child->{requests_finished}" if $sum != $child->{requests_finished};
        }
        # a request counts when its pool goes, after its answer: another child may be faster
        return !@wrong && (sizes_of($json->{total}, 'handlers', '')->{all} // 0) >= 4;
    }, 10), 'sizes and those without add up to the requests finished') or diag(@wrong);
    for my $of ($json->{total}, @{ $json->{children} }) {
        my $sizes = $of->{request_sizes};
        for my $rows ([$sizes], $sizes->{handlers}, $sizes->{vhosts}) {
            my ($buckets, $requests) = (0, 0);
            for my $row (@$rows) {
                $buckets += $_->{requests} for @{ $row->{buckets} };
                $requests += $row->{requests};
            }
            push @wrong, 'buckets' if $buckets != $requests;
            push @wrong, "rows $requests of $sizes->{requests}" if $requests != $sizes->{requests};
        }
    }
    is_deeply(\@wrong, [], 'so do buckets, handlers and vhosts');
    ok(sizes_of($json->{total}, 'handlers', '')->{all} >= 4, 'those refused before a handler have an empty one');
};

# pages, JSON and the like take memory themselves: on a quiet server they would be all that is listed
subtest 'our own requests' => sub {
    my $own = sub { my $n = 0; $n += $_->{requests_own} for @{ $s->json->{children} }; return $n };
    my $before = $own->();
    my @faces = ('/pool-status', '/pool-status?auto', '/pool-status/json', '/pool-status/metrics', '/pool-status/history',
        '/pool-status/profile', '/pool-status/nothing');
    for my $face (@faces) { cmp_ok(length $s->fetch($face)->{body}, '>', 0, $face) }
    # the look before these, and that which is answered now, which does not count itself
    ok(wait_for(sub { $own->() >= $before + @faces + 1 }, 10), 'are counted apart');
    my $json = $s->json;
    for my $of ($json->{total}, @{ $json->{children} }) {
        is(scalar(grep { $_->{line} =~ m{^\S+ /pool-status} } @{ $of->{largest_requests} }), 0, 'not among the largest');
        is(scalar(grep { !$_->{other} && $_->{handler} eq 'pool-status' } @{ $of->{request_sizes}{handlers} }), 0, 'in no histogram');
    }
    # the look before may not have ended yet
    my @marks;
    wait_for(sub {
        my @running = map { $_->{request} } grep { $_->{request} } rows($s->json);
        return (@marks = map { $_->{own} ? 1 : 0 } grep { $_->{line} =~ m{ /pool-status/json} } @running) == 1;
    });
    is_deeply(\@marks, [1], 'marked while it runs');
    my $p = PST::Probe->start('pool=request&bytes=20000', hold => ['hold'], port => $s->port, ask => $s->port);
    my $pid = $p->arrived('hold')->{pid};
    $json = $s->json;
    ok(!row_of($json, $p->name)->{request}{own}, 'others are not');
    # larger than all others without what the page itself takes
    $p->finish;
    my $big = PST::Probe->start('pool=subpool&bytes=300000', hold => ['hold'], port => $s->port, ask => $s->port);
    $pid = $big->arrived('hold')->{pid};
    my ($first) = $s->fetch('/pool-status')->{body} =~ /data-pid="(\d+)"/;
    is($first, $pid, 'nor is the child that answers drawn first for it');
    $big->finish;
};

subtest 'the smallest falls out' => sub {
    my $conn = PST::Conn->new($s->port);
    my $small = probe(5_000_000, conn => $conn, host => 'first.example', path => '/poolprobe/small');
    my ($row, $json) = found($small);
    ok($row, 'listed while there is room') or return;
    my @large;
    for my $i (1 .. 17) {
        push @large, probe(20_000_000 + 100_000 * (($i * 7) % 17), conn => $conn, host => 'first.example', path => '/poolprobe/' . chr(96 + $i));
        is($large[-1]{pid}, $small->{pid}, 'the same child');
    }
    ok(wait_for(sub { $json = $s->json; large($json->{total}, $large[-1]{name}) || large($json->{total}, $large[-2]{name}) }, 10), 'all have finished');
    my $child = child_of($json, $small->{pid});
    is(scalar(large($child, $small->{name})), 0, 'not any more, when 17 larger ones came');
    is(scalar @{ $child->{largest_requests} }, 16, 'of which the list holds 16');
    my @peaks = map { $_->{peak_bytes} } @{ $child->{largest_requests} };
    is_deeply(\@peaks, [sort { $b <=> $a } @peaks], 'largest first');
    my @want = (sort { $b->{peak} <=> $a->{peak} } @large);
    my %listed = map { my $l = $_; map { ($_->{name} => $l->{peak_bytes}) } grep { index($l->{line}, $_->{name}) >= 0 } @want } @{ $child->{largest_requests} };
    is($listed{ $want[$_]{name} }, $want[$_]{peak}, "its exact peak: number $_") for 0 .. 12;
    my ($least) = sort { $a <=> $b } @peaks;
    ok(!(grep { $_->{peak} > $least && !$listed{ $_->{name} } } @large), 'none that is missing is larger than one that is there');
    my @total = map { $_->{peak_bytes} } @{ $json->{total}{largest_requests} };
    is(scalar @total, 16, 'the total holds 16');
    my %most;
    for my $row (map { @{ $_->{largest_requests} } } @{ $json->{children} }) {
        my $of = \$most{ join ' ', @$row{qw(vhost path handler)} };
        $$of = $row->{peak_bytes} if $row->{peak_bytes} > ($$of // 0);
    }
    is_deeply(\@total, [(sort { $b <=> $a } values %most)[0 .. 15]], 'the largest of each URL and handler over all children');
};

# fifteen of sixteen rows were one URL
subtest 'one row a URL and handler' => sub {
    my (%sum, %most);
    for my $i (1 .. 20) {
        my $path = $i % 4 ? "/poolprobe/report/10$i" : '/poolprobe/chart';
        my $of = $i % 4 ? '/poolprobe/report/{n}' : $path;
        my $peak = probe(70_000_000 + 100_000 * (($i * 7) % 23), host => 'second.example', path => $path)->{peak};
        $sum{$of} += $peak;
        $most{$of} = $peak if $peak > ($most{$of} // 0);
    }
    my ($json, %of);
    ok(wait_for(sub {
        $json = $s->json;
        %of = map { ($_->{path} => $_) } grep { $_->{vhost} eq 'second.example' && defined $sum{ $_->{path} } } @{ $json->{total}{largest_requests} };
        keys %of == 2 && $of{'/poolprobe/report/{n}'}{url_requests} == 15 && $of{'/poolprobe/chart'}{url_requests} == 5;
    }, 20), 'how many there were') or do { diag explain \%of; return };
    for my $path (sort keys %sum) {
        is($of{$path}{peak_bytes}, $most{$path}, "$path: the largest");
        is($of{$path}{url_sum_bytes}, $sum{$path}, "$path: their sum");
    }
    for my $of ($json->{total}, @{ $json->{children} }) {
        my %rows;
        $rows{ join ' ', @$_{qw(vhost path handler)} }++ for @{ $of->{largest_requests} };
        is_deeply([grep { $rows{$_} > 1 } sort keys %rows], [], 'none twice, of one child and of all');
        my ($report) = grep { $_->{path} eq '/poolprobe/report/{n}' } @{ $of->{largest_requests} };
        cmp_ok($report->{url_sum_bytes}, '>=', $report->{peak_bytes}, 'a child has its own sum') if $report;
    }
    my $text = $s->fetch('/pool-status?auto')->{body};
    my ($n) = $text =~ m{^TotalLargestRequest\.(\d+)\.Path: /poolprobe/report/\{n\}$}m;
    like($text, qr/^TotalLargestRequest\.$n\.UrlRequests: 15$/m, 'text: how many');
    like($text, qr/^TotalLargestRequest\.$n\.UrlSumBytes: $sum{'\/poolprobe\/report\/{n}'}$/m, 'and their sum');
    my ($row) = $s->fetch('/pool-status')->{body} =~ m{(<tr>\s*<th scope="row" class="wide" title="/poolprobe/report/\{n\}">.*?</tr>)}s;
    like($row, qr{title="15 requests">15<}, 'the page');
};

subtest 'the faces' => sub {
    my $probe = probe(90_000_000, host => 'second.example');
    my (undef, $json) = found($probe);
    my ($row) = large($json->{total}, $probe->{name});
    is($json->{total}{largest_requests}[0]{peak_bytes}, $row->{peak_bytes}, 'it is the largest');
    my $text = $s->fetch('/pool-status?auto')->{body};
    like($text, qr/^TotalLargestRequest\.1\.PeakBytes: $row->{peak_bytes}$/m, 'text: the largest');
    like($text, qr/^Child\.$probe->{pid}\.LargestRequest\.1\.Line: \Q$row->{line}\E$/m, 'by child');
    like($text, qr/^TotalRequestSizesBucket\.\d+\.Requests: \d+$/m, 'how many are how large');
    my %seen;
    is(scalar(grep { $seen{$_}++ } $text =~ /^([^:]+): /mg), 0, 'no key twice');
    my $page = $s->fetch('/pool-status')->{body};
    like($page, qr/id="largest".*\Q$probe->{name}\E.*id="sizes".*id="connections"/s, 'the page: after the call sites');
    like($page, qr/<bdi>poolprobe<\/bdi> <small>handler/, 'handlers');
    like($page, qr/<bdi>second\.example<\/bdi> <small>vhost/, 'vhosts');
};
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');

my $hostile = one_child('largest-hostile', conf => <<'EOT');
HttpProtocolOptions Unsafe
<VirtualHost *:*>
    ServerName x"><script>alert(1)</script>.example
    ServerAlias *
</VirtualHost>
UseCanonicalName Off
EOT
ok($hostile->start, 'a server that lets anything through') or BAIL_OUT($hostile->start_text . $hostile->log_text);
subtest 'hostile lines' => sub {
    my %line = (tag => '<script>alert(1)</script>', quote => q{"'><img src=x onerror=alert(1)>}, broken => "\xff\xfe\xc3\x28",
        json => '","x":"', backslash => '\\u0022\\",\\n', cut => ('a' x 60) . ("\xe2\x82\xac" x 60));
    my %name;
    for my $what (sort keys %line) {
        $name{$what} = token('hostile');
        my $conn = PST::Conn->new($hostile->port);
        $conn->send("GET /poolprobe/$what?n=$name{$what}&pool=subpool&bytes=$BIG&x=$line{$what} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        $conn->response(timeout => 5);
    }
    my $json;
    ok(wait_for(sub { $json = $hostile->json; large($json->{total}, $name{tag}) && large($json->{total}, $name{json}) }, 10), 'they are listed, in JSON that parses');
    my ($row) = large($json->{total}, $name{tag});
    like($row->{line}, qr/<script>alert\(1\)/, 'JSON has it literally');
    ok(utf8::valid($_->{line}) && length $_->{line} <= 160, 'bounded') for @{ $json->{total}{largest_requests} };
    my $page = $hostile->fetch('/pool-status')->{body};
    like($page, qr/id="largest".*&lt;script&gt;alert\(1\).*id="connections"/s, 'the page escaped');
    unlike($page, qr/<script(?! src="\.\/pool-status\/(?:dygraph|chart)\.js" defer>)|<img/i, 'no tag of theirs on it');
    my $text = $hostile->fetch('/pool-status?auto')->{body};
    unlike($text, qr/^(?![A-Za-z0-9.]+: ?).+$/m, 'text: a Key: value in each line');
};
is($hostile->stop, 0, 'stops');
done_testing;
