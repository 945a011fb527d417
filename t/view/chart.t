# The live chart: its files, the policy that lets them run, and that a browser draws it.
use strict;
use warnings;
use File::Temp ();
use PST;
use Test::More;

my %type = ('style.css' => 'text/css; charset=utf-8', map +($_ => 'text/javascript; charset=utf-8'), qw(chart.js dygraph.js));
my %body;

for my $file (sort keys %type) {
    subtest $file => sub {
        my $r = fetch("/pool-status/$file");
        is($r->{status}, 200, 'GET');
        is($r->{headers}{'content-type'}, $type{$file}, 'its type');
        is($r->{headers}{'x-content-type-options'}, 'nosniff', 'nosniff');
        is($r->{headers}{'cache-control'}, 'no-cache', 'kept, but asked about each time');
        is($r->{headers}{'content-length'}, length $r->{body}, 'its length');
        $body{$file} = $r->{body};
        my $etag = $r->{headers}{etag} // '';
        like($etag, qr/^"\d+-\d+"$/, 'an ETag');
        my $again = fetch("/pool-status/$file", headers => ["If-None-Match: $etag"]);
        is($again->{status}, 304, 'not sent again to who has it');
        is($again->{body}, '', 'without a body');
        is(fetch("/pool-status/$file", headers => ['If-None-Match: "other"'])->{status}, 200, 'sent to who has another');
        my $h = fetch("/pool-status/$file", method => 'HEAD');
        is($h->{headers}{'content-length'}, length $r->{body}, 'HEAD says the length');
        is($h->{body}, '', 'and no more');
        is(fetch("/pool-status/$file", method => 'POST', headers => ['Content-Length: 0'])->{status}, 405, 'POST is refused');
        is(fetch("/pool-status/x$file")->{status}, 404, 'by this name only');
    };
}
cmp_ok(length $body{'dygraph.js'}, '>', 50_000, 'the library is all there');
unlike($body{'dygraph.js'}, qr/sourceMappingURL/, 'and sends nobody for a source map');

my $page = fetch('/pool-status');
my %policy = map { /^\s*(\S+)\s+(.*)/ ? ($1 => $2) : () } split /;/, $page->{headers}{'content-security-policy'} // '';
is($policy{'script-src'},  "'self'", 'scripts from here alone');
is($policy{'connect-src'}, "'self'", 'requests to here alone');
is($policy{'style-src'},   "'self'", 'styles from here alone');

like($page->{body}, qr/<section id="chart"[^>]* hidden>/, 'without script there is no empty chart');
is(scalar(() = $page->{body} =~ /<script/g), 2, 'two scripts');
is(scalar(() = $page->{body} =~ m{<script src="\./pool-status/(?:dygraph|chart)\.js" defer></script>}g), 2, 'both files of the page');
like(fetch('/pool-status/')->{body}, qr{<script src="chart\.js" defer>}, 'found from /pool-status/ too');

for my $file (sort keys %body) {
    unlike($body{$file}, qr{(?:src|href|action)\s*=\s*["'`]?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|\@import}i, "$file leads to no other host");
}
unlike($page->{body}, qr{(?:src|href|action)="(?:https?:)?//}i, 'nor does the page');
unlike($body{'chart.js'}, qr/innerHTML|insertAdjacentHTML|document\.write|eval\(/, 'chart.js makes no markup of what it reads');

subtest 'points since' => sub {
    my $pid = json_now()->{children}[0]{pid};
    my $history = sub { json_of(fetch("/pool-status/history?pid=$pid" . ($_[0] // ''))->{body}) };
    my $all = wait_for(sub { my $h = $history->(); $h && @{ $h->{fine} } >= 3 && $h }) or return fail('three points');
    my $second = $all->{fine}[1]{time};
    my @times  = map $_->{time}, @{ $history->("&since=$second")->{fine} };
    is($times[0], $all->{fine}[2]{time}, 'begins with the next one');
    is_deeply($history->('&since=99999999999')->{fine}, [], 'none are of the future');
    is(fetch("/pool-status/history?pid=$pid&since=yesterday")->{status}, 400, 'a word is no time');
};

subtest 'in a browser' => sub {
    my ($browser) = grep -x, map { my $d = $_; map "$d/$_", qw(chromium chromium-browser google-chrome) } split /:/, $ENV{PATH};
    plan skip_all => 'not here: chromium' if !$browser;
    my $dir = File::Temp->newdir;
    my $pid = json_now()->{children}[0]{pid};
    my @flags = (qw(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
        --disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --virtual-time-budget=6000 --dump-dom),
        "--user-data-dir=$dir/profile");
    my $url = 'http://127.0.0.1:' . port() . "/pool-status#$pid";
    local $ENV{HOME} = "$dir";
    my $dom = `timeout 60 $browser @flags '$url' 2>$dir/said`;
    my $said = `cat $dir/said`;
    plan skip_all => 'chromium does not run here' if $dom !~ /<html/;
    my ($section) = $dom =~ m{(<section id="chart".*?</section>)}s;
    unlike($section, qr/<section[^>]* hidden/, 'the section is there to be seen');
    is(scalar(() = $section =~ /<canvas/g), 6, 'three charts were drawn');
    my %figure = $section =~ /<dd data-key="(\w+)">([^<]*)</g;
    like($figure{process_reserved_bytes}, qr/^[\d.]+ [KM]iB$/, 'what the process holds') or diag $section;
    like($figure{$_}, qr/^[\d.]+ [KMG]iB$/, $_) for qw(rss_bytes held_bytes pss_bytes heap_in_use_bytes);
    like($figure{connections_open}, qr/^\d+$/, 'connections');
    like($figure{requests_per_second}, qr/^\d+\.\d$/, 'requests per second');
    like($section, qr/<option value="$pid"/, 'the child can be chosen');
    like($section, qr/dygraph-axis-label-y[^>]*>[\d.]+ [KM]?i?B</, 'the scale is in bytes');
    unlike($said, qr/Content Security Policy|Uncaught/, 'nothing was refused, nothing failed');
};

done_testing;
