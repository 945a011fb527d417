# Who may not: PoolStatControl Off, other origins, no nonce or a stale one, other methods, bad arguments.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'the same on every MPM' if mpm() ne 'event';

sub post {
    my ($s, $body, @headers) = @_;
    return $s->fetch('/pool-status/release' . (@headers && $headers[0] =~ /^\?/ ? shift @headers : ''), method => 'POST',
        body => $body, timeout => 15, headers => [ 'Content-Length: ' . length $body, 'Accept: application/json', @headers ]);
}

subtest 'PoolStatControl Off' => sub {
    my $s = PST::Server->new('release-off');
    ok($s->start, 'a server') or return diag($s->start_text . $s->log_text);
    is($s->json->{server}{release_nonce}, undef, 'no nonce');
    unlike($s->fetch('/pool-status')->{body}, qr/method="post"/, 'no button');
    my $r = post($s, 'nonce=' . 'a' x 24);
    is($r->{status}, 403, 'refused');
    like($r->{body}, qr/^Refused: PoolStatControl is Off\.$/, 'in a sentence');
    like($s->log_text, qr/:error\] .*PST0011: a request to release memory was refused, user -: PoolStatControl is Off/, 'and in the log');
    is($s->json->{children}[0]{releases}, 0, 'nobody released');
    is($s->stop, 0, 'stops in order');
};

my $s = PST::Server->new('release-refused', conf => "ServerName main.example\nPoolStatControl On\n");
ok($s->start, 'a server with PoolStatControl On') or BAIL_OUT($s->start_text . $s->log_text);
my $nonce = $s->json->{server}{release_nonce};
like($nonce, qr/^[0-9a-f]{24}$/, 'a nonce');

subtest 'methods' => sub {
    for my $method (qw(GET HEAD PUT DELETE)) {
        my $r = $s->fetch('/pool-status/release', method => $method, $method eq 'PUT' ? (headers => ['Content-Length: 0']) : ());
        is($r->{status}, 405, $method);
        like($r->{headers}{allow}, qr{^POST(?:,TRACE)?$}, 'what may be is told');
    }
    is($s->fetch('/pool-status/json', method => 'POST', headers => ['Content-Length: 0'])->{status}, 405, 'POST elsewhere');
    is($s->fetch('/pool-status/release/x', method => 'POST', headers => ['Content-Length: 0'])->{status}, 405, 'and below');
};

subtest 'origins' => sub {
    my @bad = (
        [ 'Origin: http://evil.example' ], [ 'Origin: null' ], [ 'Origin: http://main.example.evil.example' ],
        [ 'Origin: http://main.example:81' ], [ 'Origin: main.example' ], [ 'Origin: ' ], [ 'Origin: http://main.example, http://evil.example' ],
        [ 'Sec-Fetch-Site: cross-site' ], [ 'Sec-Fetch-Site: same-site' ], [ 'Sec-Fetch-Site: none' ],
        [ 'Sec-Fetch-Site: cross-site', 'Origin: http://main.example' ], [ 'Referer: http://evil.example/main.example' ],
        [ 'Referer: http://main.example@evil.example/' ], [ 'Origin: http://evil.example', 'Referer: http://main.example/pool-status' ],
    );
    for my $headers (@bad) {
        my $r = post($s, "nonce=$nonce", @$headers);
        is($r->{status}, 403, join ', ', @$headers);
    }
    for my $headers ([ 'Origin: http://main.example', 'Sec-Fetch-Site: same-origin' ], [ 'Origin: https://MAIN.example' ],
        [ 'Referer: http://main.example/pool-status' ], [ 'Origin: null', 'Sec-Fetch-Site: same-origin' ], []) {
        is(post($s, "nonce=$nonce", @$headers)->{status}, 200, join(', ', 'good', @$headers));
    }
};

subtest 'nonces' => sub {
    my $old = sprintf('%08x', hex(substr $nonce, 0, 8) - 4000) . substr $nonce, 8;
    my $early = sprintf('%08x', hex(substr $nonce, 0, 8) + 4000) . substr $nonce, 8;
    my $flipped = $nonce;
    substr($flipped, 23, 1) = substr($flipped, 23, 1) eq '0' ? '1' : '0';
    my %bad = ('' => 'none', 'nonce=' => 'an empty one', "nonce=$old" => 'an older time, its hash not made for it', "nonce=$early" => 'a time to come',
        "nonce=$flipped" => 'one digit wrong', 'nonce=' . substr($nonce, 0, 23) => 'too short', "nonce=${nonce}0" => 'too long',
        'nonce=' . 'z' x 24 => 'no digits', 'nonce=' . uc $nonce => 'in capitals');
    for my $body (sort keys %bad) {
        next if $body eq "nonce=$nonce";
        is(post($s, $body)->{status}, 403, $bad{$body});
    }
    unlike($s->log_text, qr/\Q$nonce\E/, 'none is in the log');
    my $other = PST::Server->new('release-other', conf => "ServerName main.example\nPoolStatControl On\n");
    ok($other->start, 'another server');
    is(post($other, "nonce=$nonce")->{status}, 403, "this server's nonce is none of the other's");
    is($other->stop, 0, 'stops in order');
};

subtest 'arguments' => sub {
    my $releases = $s->json->{children}[0]{releases};
    my @bad = ("nonce=$nonce&pid=x", "nonce=$nonce&nonce=$nonce", "nonce=$nonce&sort=pid", "nonce=$nonce&x", "nonce=$nonce&pid=-1",
        "nonce=$nonce&pid=1&pid=2", "nonce=%zz", "nonce=$nonce&auto", "nonce=%00");
    for my $body (@bad) {
        is(post($s, $body)->{status}, 400, $body =~ s/\Q$nonce\E/N/gr);
    }
    is(post($s, '', "?nonce=$nonce")->{status}, 400, 'a nonce in the address');
    is(post($s, "nonce=$nonce&pid=2", '?pid=1')->{status}, 400, 'a pid in both');
    is(post($s, "nonce=$nonce", '?pid=1')->{status}, 404, 'a pid in the address that is no child');
    is(post($s, "nonce=$nonce", 'Content-Type: application/json')->{status}, 400, 'a body that is no form');
    is(post($s, 'nonce=' . 'a' x 5000)->{status}, 413, 'a body too long');
    is(post($s, "nonce=$nonce\0")->{status}, 400, 'a NUL in it');
    my $c = PST::Conn->new($s->port);
    $c->send("POST /pool-status/release HTTP/1.1\r\nHost: main.example\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        . sprintf("%x\r\n%s\r\n0\r\n\r\n", 6 + length $nonce, "nonce=$nonce"));
    is($c->response->{status}, 200, 'a chunked body is read');
    is(post($s, "nonce=$nonce")->{status}, 200, 'a good one at last');
};
is($s->stop, 0, 'stops in order');
unlike($s->log_text, qr/exit signal/, 'no crash');

# A page of evil.example, whose DNS says that it is at our address, is of the same origin as what it finds there.
subtest 'names of others' => sub {
    my $n = PST::Server->new('release-names', conf => <<'EOT');
PoolStatControl On
<VirtualHost *:*>
    ServerName main.example
    ServerAlias second.example *.third.example
</VirtualHost>
<VirtualHost *:*>
    ServerName other.example
</VirtualHost>
EOT
    ok($n->start, 'a server') or return diag($n->start_text . $n->log_text);
    my $nonce = $n->json(host => 'evil.example')->{server}{release_nonce};
    like($nonce, qr/^[0-9a-f]{24}$/, 'it can read a nonce');
    my $ask = sub {
        my ($host, @headers) = @_;
        return $n->fetch('/pool-status/release', method => 'POST', body => "nonce=$nonce", host => $host, timeout => 15,
            headers => [ 'Content-Length: ' . (6 + length $nonce), @headers ]);
    };
    for my $host ('evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'main.example.evil.example', 'localhost.evil.example') {
        my $r = $ask->($host, "Origin: http://$host", 'Sec-Fetch-Site: same-origin');
        is($r->{status}, 403, "$host, of its own origin");
        like($r->{body}, qr/^Refused: its Host is neither an address nor a name of this server \(ServerName, ServerAlias\)\.$/, 'why');
        is($ask->($host)->{status}, 403, 'and without an origin');
    }
    is($ask->("main.example:$_->[0]", "Origin: $_->[1]")->{status}, $_->[2], "main.example:$_->[0] from $_->[1]")
      for [ 443, 'https://main.example', 200 ], [ 80, 'http://main.example', 200 ], [ 81, 'http://main.example', 403 ], [ 443, 'https://main.example:8443', 403 ];
    is($ask->($_, "Origin: http://$_")->{status}, 200, $_)
      for 'main.example', 'MAIN.example', 'main.example:' . $n->port, 'second.example', 'a.third.example', 'other.example', 'localhost:' . $n->port,
          '127.0.0.1', '[::1]', '192.0.2.1:8080';
    my $c = PST::Conn->new($n->port);
    $c->send("POST /pool-status/release HTTP/1.0\r\nContent-Length: " . (6 + length $nonce) . "\r\n\r\nnonce=$nonce");
    is($c->response->{status}, 200, 'no Host at all');
    is($n->stop, 0, 'stops in order');
};

# The system gives no random bytes: apr_generate_random_bytes() for the key alone, while a file is there.
subtest 'no random bytes' => sub {
    plan skip_all => 'the sanitizer is preloaded itself' if stage()->{san};
    my $dir = stage()->{top} . '/t/logs';
    PST::Stage::write_file("$dir/no_random.c", <<'EOT');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int apr_generate_random_bytes(unsigned char *buf, size_t length)
{
    int (*real)(unsigned char *, size_t) = (int (*)(unsigned char *, size_t))dlsym(RTLD_NEXT, "apr_generate_random_bytes");

    return length == 16 && access(getenv("PST_NO_RANDOM"), F_OK) == 0 ? 20014 : real(buf, length);
}
EOT
    is(system("cc -shared -fPIC -o \Q$dir/no_random.so\E \Q$dir/no_random.c\E -ldl"), 0, 'a library to preload') or return;
    my $n = PST::Server->new('release-no-random', conf => "ServerName main.example\nPoolStatControl On\n");
    my $flag = "$n->{dir}/no_random";
    PST::Stage::write_file($flag, '');
    {
        local @ENV{qw(LD_PRELOAD PST_NO_RANDOM)} = ("$dir/no_random.so", $flag);
        ok($n->start, 'a server that gets none') or return diag($n->start_text . $n->log_text);
    }
    for my $time ('at the start', 'nor at a reload') {
        is($n->json->{server}{release_nonce}, undef, "no nonce $time");
        my $r = post($n, 'nonce=' . sprintf('%08x', time) . '0' x 16);
        is($r->{status}, 403, 'refused');
        like($r->{body}, qr/^Refused: this server could make no nonces \(PST0022\)\.$/, 'in a sentence');
        my $lines = () = $n->log_text =~ /PST0022: no nonces for POST/g;
        cmp_ok($lines, '>=', 1, 'and in the log');
        ok($n->graceful && $n->answers(20), 'reloads') if $time eq 'at the start';
    }
    unlink $flag;
    ok($n->graceful && $n->answers(20), 'reloads, and the system gives some');
    my $nonce;
    ok(wait_for(sub { $nonce = $n->json->{server}{release_nonce} }, 10), 'there are nonces');
    is(post($n, "nonce=$nonce")->{status}, 200, 'good ones');
    ok($n->graceful && $n->answers(20), 'once more');
    is(post($n, "nonce=$nonce")->{status}, 200, 'the key stays');
    is($n->stop, 0, 'stops in order');
};

subtest 'without watchdog' => sub {
    my $m = PST::Server->new('release-monitor', conf => "ServerName main.example\nPoolStatControl On\n", flags => [ '-D', 'PoolStatNoWatchdog' ]);
    ok($m->start, 'a server') or return diag($m->start_text . $m->log_text);
    my $r = post($m, 'nonce=' . $m->json->{server}{release_nonce});
    is($r->{status}, 503, 'nobody could do it');
    like($r->{body}, qr/^Children have no watchdog here/, 'in a sentence');
    is($m->stop, 0, 'stops in order');
};

subtest 'directives' => sub {
    my $d = PST::Server->new('release-conf');
    for my $bad ('PoolStatControl Maybe', 'PoolStatRelease 1', 'PoolStatRelease 4K', 'PoolStatRelease x', 'PoolStatRelease -1', 'PoolStatRelease 1025G', 'PoolStatRelease 0',
        "<VirtualHost *:80>\nPoolStatControl On\n</VirtualHost>") {
        $d->write_conf(conf => "$bad\n");
        my ($status, $text) = $d->check;
        isnt($status, 0, $bad =~ s/\n/ /gr);
        like($text, qr/PoolStat(?:Control|Release) (?:is '.*', but must be|cannot occur)/, 'told why');
    }
    for my $good ('PoolStatControl off', 'PoolStatControl ON', 'PoolStatRelease OFF', 'PoolStatRelease 8192', 'PoolStatRelease 1m') {
        $d->write_conf(conf => "$good\n");
        is(($d->check)[0], 0, $good);
    }
};
done_testing;
