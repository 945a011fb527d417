# POST /pool-status/release: after a burst of large requests what allocators keep goes back to the
# system, to the byte, and RSS with it; requests in flight do not mind; children that end while asked.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

my $limits = mpm() eq 'prefork'
  ? "StartServers 4\nMinSpareServers 4\nMaxSpareServers 10\nServerLimit 10\nMaxRequestWorkers 10\n"
  : "StartServers 1\nServerLimit 3\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 30\nMaxRequestWorkers 20\n";
my $s = PST::Server->new('release', limits => $limits, conf => "ServerName main.example\nPoolStatControl On\nMaxMemFree 8192\n");
ok($s->start, 'a server with PoolStatControl On') or BAIL_OUT($s->start_text . $s->log_text);

sub nonce { return $s->json->{server}{release_nonce} }

sub release_now {
    my ($s, %o) = @_;
    my $nonce = $s->json->{server}{release_nonce};
    my $body = "nonce=$nonce" . ($o{pid} ? "&pid=$o{pid}" : '');
    my $r = $s->fetch('/pool-status/release', method => 'POST', body => $body, timeout => 20,
        headers => [ 'Content-Type: application/x-www-form-urlencoded', 'Accept: ' . ($o{accept} // 'application/json'),
                     'Content-Length: ' . length $body, @{ $o{headers} || [] } ]);
    return $o{accept} ? $r : (json_of($r->{body}), $r);
}

# Large requests, several at once, so that more than one transaction pool gets large.
sub burst {
    my ($s, $n, $bytes) = @_;
    my @c = map { my $c = PST::Conn->new($s->port) or die "no connection\n";
        $c->get("/poolprobe?pool=request&bytes=$bytes&pieces=60&touch=1&hold=300&output=2", headers => ['Connection: close']); $c } 1 .. $n;
    my $good = grep { $_->response->{status} == 200 } @c;
    $_->closed(5) for @c;
    return $good;
}

sub sum { my ($json, $key) = @_; my $n = 0; $n += $_->{$key} for @{ $json->{children} }; return $n }

subtest 'a burst, then a release' => sub {
    is(burst($s, 6, 100_000), 6, 'six large requests at once');
    my $before;
    ok(wait_for(sub { $before = $s->json; sum($before, 'allocators_kept_bytes') > 10_000_000 }, 10), 'allocators keep more than 10 MB')
      or diag("kept " . sum($before, 'allocators_kept_bytes') . " of " . sum($before, 'retained_bytes'));
    my %was = map { $_->{pid} => $_ } @{ $before->{children} };
    cmp_ok(sum($before, 'allocators'), '>=', 1, 'of ' . sum($before, 'allocators') . ' transaction pools');
    is($before->{children}[0]{max_free_bytes}, 8 << 20, 'MaxMemFree is known');
    my %rss;
    for my $pid (keys %was) { $rss{$pid} = PST::Server::rss($pid) }
    my ($answer, $r) = release_now($s);
    is($r->{status}, 200, 'released') or return diag($r->{body}, $s->log_text);
    is($answer->{release}{asked}, scalar keys %was, 'all children were asked');
    is($answer->{release}{done}, $answer->{release}{asked}, 'and did');
    my $after = $s->json;
    my ($fell, $wrong) = (0, 0);
    for my $row (@{ $answer->{children} }) {
        my $is = child_of($after, $row->{pid});
        $fell += $row->{allocators_bytes};
        note("child $row->{pid}: $row->{allocators_bytes} of $was{$row->{pid}}{allocators_kept_bytes} from $row->{emptied}, "
            . "$row->{busy} busy, heap $row->{heap_bytes}, RSS $row->{rss_before_bytes} to $row->{rss_after_bytes}");
        $wrong++ if $is->{released_allocators_bytes} != $row->{allocators_bytes};
    }
    cmp_ok($fell, '>=', sum($before, 'allocators_kept_bytes') - 7_000_000, 'all that was kept, but for what the asking connection uses');
    is($wrong, 0, 'the board says the same');
    # children that served nothing meanwhile: to the byte
    my $quiet = 0;
    for my $row (@{ $answer->{children} }) {
        my ($a, $b) = ($was{ $row->{pid} }, child_of($after, $row->{pid}));
        next if $a->{pools_created} != $b->{pools_created} || !$row->{allocators_bytes};
        $quiet++;
        is($a->{held_bytes} - $b->{held_bytes}, $row->{allocators_bytes}, "held of child $row->{pid} fell by just that");
    }
    cmp_ok($quiet, '>=', mpm() eq 'prefork' ? 1 : 0, "$quiet children were quiet");
    check_books($after);
    SKIP: {
        skip 'AddressSanitizer keeps what is freed', 1 if stage()->{san};
        my $rss = 0;
        for my $pid (keys %was) { $rss += $rss{$pid} - PST::Server::rss($pid) }
        cmp_ok($rss, '>=', 0.8 * $fell, "RSS fell too, by $rss");
    }
    my $left;
    ok(wait_for(sub { $left = sum($s->json, 'allocators_kept_bytes'); $left < 1_000_000 }, 10), 'which follows when it is idle')
      or diag("$left bytes kept");
    is(burst($s, 6, 100_000), 6, 'and on it goes');
};

subtest 'one child alone' => sub {
    ok(wait_for(sub { sum($s->json, 'allocators_kept_bytes') > 1_000_000 }, 10), 'kept again');
    my $answer;
    ok(wait_for(sub {       # on prefork it may be the one that answers
        my ($child) = sort { $b->{allocators_kept_bytes} <=> $a->{allocators_kept_bytes} } @{ $s->json->{children} };
        ($answer) = release_now($s, pid => $child->{pid});
        return @{ $answer->{children} } == 1 && $answer->{children}[0]{pid} == $child->{pid} && $answer->{release}{allocators_bytes} > 0;
    }, 15), 'it alone is asked, and gives back');
    my $r = release_now($s, pid => 1, accept => 'application/json');
    is($r->{status}, 404, 'a pid that is no child');
    like($r->{body}, qr/^There is no child with the process id 1\.$/, 'in a sentence');
};

subtest 'answers' => sub {
    my $page = release_now($s, accept => 'text/html,*/*');
    is($page->{status}, 200, 'a page for a browser');
    like($page->{headers}{'content-type'}, qr{^text/html}, 'of the type');
    like($page->{body}, qr{<title>Pool memory: released by \d+ of \d+ children</title>.*</html>}s, 'a whole one');
    my $text = release_now($s, accept => '*/*');
    like($text->{body}, qr/^ReleaseAsked: \d+$/m, 'lines of text for others');
    my $main = $s->fetch('/pool-status')->{body};
    like($main, qr{<form id="release-form" class="release" method="post" action="./pool-status/release">\s*<input type="hidden" name="nonce" value="[0-9a-f]{24}">}, 'the page has the form');
    my ($table) = $main =~ m{<table class="places releases">(.*?)</table>}s;
    like($table, qr{ ago</td>}, 'and what came of the last');
    my %button = map { $_ => 1 } $table =~ /<button type="submit" form="release-form" name="pid" value="(\d+)"/g;
    my @pids = sort map { $_->{pid} } @{ $s->json->{children} };
    is(join(' ', sort keys %button), "@pids", 'and a button for each child');
    unlike($main, qr/<script[^>]*>[^<]*release/, 'without a script');
    my $one = $s->fetch("/pool-status?pid=$pids[0]")->{body};
    is(join(' ', $one =~ /<button type="submit"(?: form="release-form")? name="pid" value="(\d+)"/g), "$pids[0] $pids[0]", 'of one child alone: for it');
    like($s->log_text, qr/PST0012: memory was released on request, user -: of \d+ children \d+ did/, 'the log has an entry');
};

subtest 'a request in flight' => sub {
    my $p = PST::Probe->start('pool=request&bytes=2000000', hold => ['hold'], port => $s->port, ask => $s->port);
    my $report = $p->arrived('hold');
    my ($answer) = release_now($s);
    my $child = $answer->{children} ? (grep { $_->{pid} == $report->{pid} } @{ $answer->{children} })[0] : undef;
    cmp_ok($child->{busy}, '>=', 1, 'its allocator is busy');
    my $row = row_of($s->json, $p->name);
    cmp_ok($row->{request}{reserved_bytes}, '>=', 2_000_000, 'and is left alone');
    is($p->finish->{status}, 200, 'it is answered');
};

subtest 'during a graceful restart' => sub {
    my $nonce = nonce();
    my $busy = PST::Probe->start('pool=request&bytes=100000', hold => ['hold'], port => $s->port, ask => $s->port);
    my $report = $busy->arrived('hold');
    ok($s->graceful, 'a graceful restart, with a request in flight');
    ok($s->answers(20), 'answers');
    my $body = "nonce=$nonce";
    my $r = $s->fetch('/pool-status/release', method => 'POST', body => $body, timeout => 20,
        headers => [ 'Accept: application/json', 'Content-Length: ' . length $body ]);
    is($r->{status}, 200, 'a nonce of the generation before is good');
    my $answer = json_of($r->{body});
    is($answer->{release}{done} + $answer->{release}{gone}, $answer->{release}{asked}, 'old and new children are asked, none is pending');
    is($busy->finish->{status}, 200, 'the request of the old generation is answered');
};

is($s->stop, 0, 'stops in order');
unlike($s->log_text, qr/exit signal (?!Killed)/, 'no crash');

subtest 'in the background' => sub {
    my $b = PST::Server->new('release-gently', limits => $limits, conf => "PoolStatRelease 2M\nMaxMemFree 8192\n");
    ok($b->start, 'a server with PoolStatRelease 2M') or return diag($b->start_text . $b->log_text);
    is(burst($b, 4, 100_000), 4, 'large requests');
    my ($json, $most) = (undef, 0);
    my $began = time;
    wait_for(sub { $json = $b->json; my $k = sum($json, 'allocators_kept_bytes'); $most = $k if $k > $most; $most > 5_000_000 }, 5);
    cmp_ok($most, '>', 5_000_000, "allocators kept $most bytes");
    ok(wait_for(sub { $json = $b->json; sum($json, 'retained_bytes') < $most / 4 }, 25), 'unasked they gave most of it back');
    my $took = time - $began;
    for my $child (@{ $json->{children} }) {
        cmp_ok($child->{release_allocators_bytes}, '<=', (2 << 20) * ($took + 3), "child $child->{pid}: no faster than told")
          if $child->{release_allocators_bytes};
    }
    check_books($json);
    is($b->json->{server}{release_nonce}, undef, 'nobody may ask, though');
    is($b->stop, 0, 'stops in order');
};

sub check_books {
    my ($json) = @_;
    my $wrong = grep { $_->{reserved_bytes} + $_->{bucket_bytes} + $_->{retained_bytes} != $_->{held_bytes} } @{ $json->{children} };
    is($wrong, 0, 'held = reserved + buckets + retained');
}

done_testing;
