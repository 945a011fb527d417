# PoolStatShow: what a query string or an absolute URI hides is nowhere: no face, no line of the error
# log, not in the board's file; unless it is asked for. (httpd refuses user and password in URIs unless it is told Unsafe.)
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $limits = mpm() eq 'prefork'
    ? "StartServers 3\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 3\nMaxRequestWorkers 3\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";

my %place = (
    page  => sub { $_[0]->fetch('/pool-status')->{body} },
    json  => sub { $_[0]->fetch('/pool-status/json')->{body} },
    auto  => sub { $_[0]->fetch('/pool-status?auto')->{body} },
    log   => sub { $_[0]->log_text },
    board => sub { PST::Stage::read_file($_[0]->board) },
);
sub places { my ($s, $text) = @_; return join ' ', grep { index($place{$_}->($s), $text) >= 0 } sort keys %place }

for my $case (['default', ''], ['path', 'PoolStatShow path'], ['line', 'PoolStatShow line'], ['none', 'PoolStatShow none']) {
    my ($name, $show) = @$case;
    subtest $name => sub {
        my $s = PST::Server->new("show-$name", show => $show, conf => "HttpProtocolOptions Unsafe\nPoolStatWarn request 1M\n", limits => $limits);
        ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
        my ($path, $secret, $word, $user) = map { token($_) } qw(path query word user);

        # while it runs, and it crosses; then as one of the largest
        my $query = "pool=request&leak_here=1&bytes=2000000&secret=$secret";
        my $p = PST::Probe->start($query, hold => ['hold'], port => $s->port, ask => $s->port);
        $p->arrived('hold') or fail('it runs');
        $s->fetch("/poolprobe/$path?pool=subpool&bytes=3000000&secret=$secret");
        $s->fetch("http://$user:$word\@main.example/poolprobe?pool=subpool&bytes=4000000&x=1");
        ok(wait_for(sub { @{ $s->json->{total}{largest_requests} } >= ($name eq 'none' ? 1 : 2) && 3 <= (() = $s->log_text =~ /PST0013/g) }, 20),
            'all were noted');
        is(places($s, $secret), $name eq 'line' ? 'auto board json log page' : '', 'the query');
        is(places($s, $p->name), $name eq 'line' ? 'auto board json page' : '', 'of the one that runs') if $name ne 'line';
        is(places($s, $word), '', 'the password of an absolute URI');
        is(places($s, $user), $name eq 'line' ? 'auto board json log page' : '', 'the user');
        is(places($s, $path), $name eq 'none' ? '' : 'auto board json log page', 'the path');

        my @lines = sort map { $_->{line} } grep { $_->{peak_bytes} > 2_500_000 } @{ $s->json->{total}{largest_requests} };
        my %want = (
            line => ["GET /poolprobe/$path?pool=subpool&bytes=3000000&secret=$secret HTTP/1.1",
                "GET http://$user:XXXXXXXX\@main.example/poolprobe?pool=subpool&bytes=4000000&x=1 HTTP/1.1"],
            path => ["GET /poolprobe/$path?... HTTP/1.1", 'GET http://main.example/poolprobe?... HTTP/1.1'],
            none => ['-']);         # what is not shown is one URL
        is_deeply(\@lines, $want{$name} // $want{path}, 'the lines');
        is(scalar(grep { $_ ne '-' } map { $_->{request} ? $_->{request}{line} : '-' } rows($s->json)), 0, 'nor of one that runs') if $name eq 'none';
        $p->finish;
        is($s->stop, 0, 'stops');
        unlike($s->log_text, qr/exit signal/, 'no crash');
    };
}
done_testing;
