# What the faces answer: methods, headers, arguments, filters.
use strict;
use warnings;
use PST;
use Test::More;

my %type = ('' => 'text/html', '?auto' => 'text/plain', '/json' => 'application/json');

for my $face (sort keys %type) {
    subtest "face \"$face\"" => sub {
        my $url = "/pool-status$face";
        my $r = fetch($url);
        is($r->{status}, 200, 'GET');
        like($r->{headers}{'content-type'}, qr/^\Q$type{$face}\E/, 'its type');
        my $h = fetch($url, method => 'HEAD');
        is($h->{status}, 200, 'HEAD');
        is($h->{body}, '', 'without a body');
        is($h->{headers}{'content-type'}, $r->{headers}{'content-type'}, 'of the same type');
        for my $x ($r, $h) {
            is($x->{headers}{'x-content-type-options'}, 'nosniff', 'nosniff');
            is($x->{headers}{'cache-control'}, 'no-store', 'no-store');
            my $csp = $x->{headers}{'content-security-policy'} // '';
            like($csp, qr/default-src 'none'/, 'a Content-Security-Policy that starts from nothing');
            unlike($csp, qr/unsafe-inline|unsafe-eval|\*/, 'and allows nothing inline');
        }
        for my $method (qw(POST PUT DELETE PATCH OPTIONS PROPFIND)) {
            my $r = fetch($url, method => $method, headers => ['Content-Length: 0']);
            is($r->{status}, 405, "$method is refused");
            like($r->{headers}{allow} // '', qr/\bGET\b/, 'with what is allowed');
            is($r->{headers}{'cache-control'}, 'no-store', 'and no-store');
        }
    };
}

subtest 'arguments' => sub {
    my %bad = ('nonsense=1' => 'nonsense', 'sort=colour' => 'sort', 'kind=alien' => 'kind', 'pid=x' => 'pid', 'pid=-1' => 'pid',
        'pid=99999999999999999999' => 'pid', 'pid=1&pid=2' => 'pid', 'vhost=%zz' => 'vhost', 'vhost=a%00b' => 'vhost',
        'sort' . ('t' x 3000) . '=1' => 'sort', 'sort=' . ('a' x 5000) => 'sort', '<script>=1' => 'script', '=' => 'argument');
    for my $face ('', '/json') {
        for my $query (sort keys %bad) {
            next if $query =~ /</;    # httpd refuses that by itself
            my $r = fetch("/pool-status$face?$query");
            is($r->{status}, 400, "$face?" . substr($query, 0, 30));
            like($r->{body}, qr/$bad{$query}/, 'the sentence names the argument');
            cmp_ok(length $r->{body}, '<', 600, 'briefly');
        }
    }
    is(fetch('/pool-status?refresh=0')->{status}, 400, 'refresh=0');
    is(fetch('/pool-status?refresh=abc')->{status}, 400, 'refresh=abc');
    is(fetch('/pool-status/json?refresh=5')->{status}, 400, 'refresh is for the page');
    my $r = fetch('/pool-status?refresh=7');
    is($r->{status}, 200, 'refresh=7');
    ok(($r->{headers}{refresh} // '') eq '7' || $r->{body} =~ /http-equiv="?refresh"? content="?7/i, 'asks for it');
    is(fetch('/pool-status?%3Cscript%3E=1')->{status}, 400, 'an argument that is a tag');
    unlike(fetch('/pool-status?%3Cscript%3E=1')->{body}, qr/<script/, 'is not repeated as one');
};

subtest 'other addresses' => sub {
    is(fetch("/pool-status/$_")->{status}, 404, "/pool-status/$_") for 'nonsense', 'json/x', 'json2', '..%2fjson', 'metricsx';
    isnt(fetch('/pool-statusx')->{status}, 200, '/pool-statusx');
};

subtest 'sorting and filters' => sub {
    my @p = map { PST::Probe->start("pool=request&bytes=$_") } 1_000_000, 6_000_000, 3_000_000;
    $_->arrived('hold') for @p;
    my $by_size = join ' ', map $_->name, @p[ 1, 2, 0 ];
    my $order = sub {
        my ($query) = @_;
        my $body = fetch("/pool-status$query")->{body};
        my %at = map { ($_->name => index $body, $_->name) } @p;
        return join ' ', sort { $at{$a} <=> $at{$b} } grep { $at{$_} >= 0 } keys %at;
    };
    # rows stand in their children, children by the same order: compare within one child only
    my $json = json_now();
    my %pid = map { my $n = $_->name; ($n => row_of($json, $n)->{pid}) } @p;
    for my $query ('', '?sort=reserved', '?sort=used', '?sort=peak') {
        my $seen = $order->($query);
        is(scalar(split ' ', $seen), 3, "all three are on the page $query");
        for my $child (values %{ { reverse %pid } }) {
            my @want = grep { $pid{$_} == $pid{$child} } split ' ', $by_size;
            my @got  = grep { $pid{$_} == $pid{$child} } split ' ', $seen;
            is("@got", "@want", "largest first in a child, $query");
        }
    }
    is(fetch("/pool-status?sort=$_")->{status}, 200, "sort=$_") for qw(reserved used peak pools buckets retained requests age client pid);

    my $one = json_now(query => "pid=$pid{ $p[0]->name }");
    is(scalar(@{ $one->{children} }), 1, 'pid= leaves one child');
    is($one->{children}[0]{pid}, $pid{ $p[0]->name }, 'that one');
    my $none = json_now(query => 'kind=backend');
    is(scalar(grep { $_->{kind} ne 'backend' } rows($none)), 0, 'kind= leaves that kind');
    my $second = PST::Probe->start('pool=request&bytes=10', host => 'second.example');
    $second->arrived('hold');
    my $vhost = json_now(query => 'vhost=second.example');
    is(scalar(grep { $_->{vhost} ne 'second.example' } rows($vhost)), 0, 'vhost= leaves that vhost');
    ok(row_of($vhost, $second->name), 'its request is there');
    ok(!row_of($vhost, $p[0]->name), 'the others are not');
    my $all = json_now();
    for my $c (@{ $vhost->{children} }) {
        my $same = child_of($all, $c->{pid}) or next;
        is($c->{connections_open}, $same->{connections_open}, "filters change no sum of child $c->{pid}");
    }
    is(scalar(rows(json_now(query => 'pid=1'))), 0, 'a process that is none of ours: nothing');
    $_->finish for @p, $second;
};

done_testing;
