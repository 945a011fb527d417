# What clients send stands on the page, in JSON and text: escaped, valid, harmless.
use strict;
use warnings;
use Encode ();
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('hostile', conf => <<'EOT');
HttpProtocolOptions Unsafe
<VirtualHost *:*>
    ServerName x"><script>alert(1)</script>.example
    ServerAlias *
</VirtualHost>
UseCanonicalName Off
EOT
ok($s->start, 'a server that lets anything through') or BAIL_OUT($s->start_text . $s->log_text);

my %line = (
    tag       => '<script>alert(1)</script>',
    quote     => q{"'><img src=x onerror=alert(1)>},
    entity    => '&lt;&#60;&amp;',
    latin1    => "caf\xe9",
    broken    => "\xff\xfe\xc3\x28\xe2\x82\xf0\x9f",
    overlong  => "\xc0\xbc\xe0\x80\xbcscript\xc0\xbe",
    surrogate => "\xed\xa0\x80\xed\xb0\x80",
    utf8      => "\xe2\x82\xac\xf0\x9f\x90\x8d",
    rtl       => "\xe2\x80\xae\xe2\x81\xa6",
    control   => "\x01\x02\x1b[31m\x7f\x08\x0b",
    backslash => '\\u0022\\",\\n',
    json      => '","request":null,"x":"',
    percent   => '%00%0a%0d%3Cscript%3E%s%n%n',
    long      => 'a' x 4000,
    cut       => ('a' x 100) . ("\xe2\x82\xac" x 60),
);

for my $what (sort keys %line) {
    subtest $what => sub {
        my ($hold, $name) = (token(), token('hostile'));
        my $conn = PST::Conn->new($s->port);
        $conn->send("GET /poolprobe?hold=$hold&n=$name&x=$line{$what} HTTP/1.1\r\nHost: a$line{$what}\r\n\r\n");
        my $held = wait_for(sub {
            my $seen = json_of($s->fetch("/poolprobe?peek=$hold")->{body});
            $seen && $seen->{arrived};
        }, 3);
        if (!$held) {
            # httpd itself may refuse it: then nothing reached us, and that is checked instead
            cmp_ok($conn->response(timeout => 3)->{status}, '>=', 400, 'httpd refuses this one by itself');
            return;
        }
        my %body = map { ($_ => $s->fetch("/pool-status$_")) } '', '?auto', '/json';
        is($body{$_}{status}, 200, "face \"$_\"") for sort keys %body;
        for my $face (sort keys %body) {
            my $copy = $body{$face}{body};
            ok(eval { Encode::decode('UTF-8', $copy, Encode::FB_CROAK); 1 }, "valid UTF-8, face \"$face\"");
            unlike($body{$face}{body}, qr/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/, 'no control characters');
        }
        unlike($body{''}{body}, qr/<script(?! src="\.\/pool-status\/(?:dygraph|chart)\.js" defer>)|<img|onerror=(?!.*&)/i, 'no tag of theirs on the page');
        my $json = json_of($body{'/json'}{body});
        ok($json, 'JSON parses') or diag($body{'/json'}{body});
        my @rows = $json ? row_of($json, $name) : ();
        is(scalar @rows, 1, 'the row is there');
        like($rows[0]{request}{line}, qr{^GET /poolprobe\?hold=}, 'with its line') if @rows;
        cmp_ok(length $rows[0]{request}{line}, '<=', 160, 'of bounded length') if @rows;
        if ($what eq 'tag') {
            like($rows[0]{request}{line}, qr/<script>alert\(1\)/, 'JSON has it literally');
            like($body{''}{body}, qr/&lt;script&gt;alert/, 'the page escaped');
        }
        unlike($body{'?auto'}{body}, qr/^(?![A-Za-z0-9.]+: ).+$/m, 'text: a Key: value in each line');
        $s->fetch("/poolprobe?release=$hold");
        cmp_ok($conn->response->{status}, '>=', 200, 'answered');
        $conn->close;
    };
}
is($s->stop, 0, 'stops');
done_testing;
