# Verdicts: a leak into the child's pool and one into a connection's are named with their
# rates; the connection beside is not; a healthy server shows no suspects.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

my $s = PST::Server->new('verdicts');
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

sub suspects {
    my ($json) = @_;
    return ((grep { $_->{verdict}{process}{state} eq 'growing' } @{ $json->{children} }),
        grep { $_->{verdict} && $_->{verdict}{state} eq 'growing' } rows($json));
}

subtest 'a healthy server' => sub {
    $s->load('/small.txt', 3, 30);
    my $until = time + 14;
    my ($looks, $accused) = (0, 0);
    while (time < $until || ($looks < 5 && time < $until + 60)) {
        my $json = eval { $s->json(timeout => 5) };
        $looks++ if $json;
        $accused += suspects($json) if $json;
        sleep 1;
    }
    $s->load_end;
    cmp_ok($looks, '>=', 5, "looked at $looks times under load");
    is($accused, 0, 'nothing is accused');
    my $json = $s->json;
    ok((grep { $_->{verdict}{process}{state} eq 'steady' } @{ $json->{children} }), 'steady is what it is called');
    unlike($s->fetch('/pool-status')->{body}, qr/class="suspects"/, 'the page has no list of suspects');
};

# What APR reserves for each of so many bytes: pieces that fit a node of 8192, no more.
sub reserved_by { my ($bytes) = @_; return 8192 / int((8192 - 40) / aligned($bytes, 8)) }

# Requests on one connection until the verdict is in, at least $least of them.
sub leak {
    my ($query, $pause, $least, $verdict) = @_;
    my ($conn, $name) = (PST::Conn->new($s->port), token('leak'));
    my ($n, $found, $json, $asked) = (0, undef, undef, time);
    my $until = time + 90;
    while (time < $until) {
        $conn->get("/poolprobe?$query&output=2&n=$name");
        $conn->response->{status} == 200 or last;
        $n++;
        sleep $pause if $pause;
        next if time < $asked + 1;
        $asked = time;
        $json  = $s->json;
        $found = $verdict->($json);
        last if $found && $n >= $least;
    }
    note("$n requests");
    return ($found, $json, $conn, $name);
}

sub within { my ($got, $expected, $what) = @_; cmp_ok(abs(($got // 0) - $expected), '<=', 0.1 * $expected, "$what: $got, expected $expected") }

subtest '100 bytes of the child\'s pool per request' => sub {
    my ($c, $json, $conn) = leak('pool=child&bytes=100', 0.001, 4000, sub {
        my @found = grep { $_->{verdict}{process}{state} eq 'growing' } @{ $_[0]{children} };
        return @found == 1 && defined $found[0]{verdict}{process}{bytes_per_request} ? $found[0] : undef;
    });
    ok($c, 'one child is named, by the request') or return diag(join ' ', map { JSON::PP::encode_json($_->{verdict}) } @{ $json->{children} });
    my $v = $c->{verdict}{process};
    within($v->{bytes_per_request}, 100, 'bytes a request');
    cmp_ok($v->{r2}, '>', 0.9, 'the line fits');
    cmp_ok($v->{bytes_per_minute}, '>', 0, 'a rate');
    cmp_ok($v->{since}, '>', time - 60, 'since when');
    my $named = sub { my ($found) = grep { $_->{pid} == $c->{pid} } @{ $s->json->{children} }; $found && $found->{verdict}{process}{site} };
    # who it is, is told by what stayed for ten seconds of what was sampled since: it has to go on
    ok(wait_for(sub {
        $conn->get('/poolprobe?pool=child&bytes=100') && $conn->response for 1 .. 100;
        ($named->() // '') =~ /^mod_poolprobe\.so/;
    }, 30), 'the code is named: ' . ($named->() // 'none'));
    my $page = $s->fetch('/pool-status')->{body};
    like($page, qr{class="suspects".*Process scope of <a href="\?pid=$c->{pid}">}s, 'the page names it');
    like($page, qr{<svg class="chart".*<polygon class="k-process_reserved_bytes" points="0,200 [0-9, ]+ 1000,200"/>}s, 'and draws it');
    unlike($page, qr{<script(?! src="\./pool-status/(?:dygraph|chart)\.js" defer>)|style="}, 'without inline script or style');
    $conn->close;
};

subtest 'a connection that grows with each request' => sub {
    my $healthy = PST::Probe->start('pool=connection&bytes=300000', port => $s->port, ask => $s->port);
    $healthy->arrived('hold');
    my $begun = time;
    my ($row, $json, $conn, $name) = leak('pool=connection&bytes=3000', 0.05, 100, sub {
        my ($found) = grep { $_->{verdict} && $_->{verdict}{state} eq 'growing' && defined $_->{verdict}{bytes_per_request} } rows($_[0]);
        return $found;
    });
    ok($row, 'is named') or return;
    my $v = $row->{verdict};
    is($v->{scope}, 'connection', 'the connection, not its request');
    within($v->{bytes_per_request}, reserved_by(3000), 'bytes a request');
    my @others = grep { $_->{verdict} && $_->{verdict}{state} eq 'growing' && "$_->{pid} $_->{id}" ne "$row->{pid} $row->{id}" } rows($json);
    is(scalar @others, 0, 'no other one is');
    my $still = row_of($json, $healthy->name);
    ok($still && (!$still->{verdict} || $still->{verdict}{state} eq 'steady'), 'the one beside, large and quiet, is steady');
    like($s->fetch('/pool-status')->{body}, qr{class="suspects".*Connection #$row->{id} of <a href="\?pid=$row->{pid}">}s, 'the page names it');
    $healthy->finish;
    $conn->close;
};

subtest 'a request that grows while it streams' => sub {
    my $name = token('stream');
    my $begun = time;
    my $conn = PST::Conn->new($s->port);
    my $quiet = PST::Conn->new($s->port);
    $quiet->get("/poolprobe?stream=300&every=50&chunk=100&n=quiet$name", headers => ['Connection: close']);
    $conn->get("/poolprobe?stream=300&every=50&chunk=100&leak=request&bytes=4000&n=$name", headers => ['Connection: close']);
    my ($json, $row);
    ok(wait_for(sub {
        $json = $s->json;
        $row = row_of($json, "&n=$name");
        $row && $row->{verdict} && $row->{verdict}{state} eq 'growing';
    }, 14), 'is named') or return;
    cmp_ok(time - $begun, '<', 12, 'within ten seconds or so');
    is($row->{verdict}{scope}, 'request', 'the request');
    # by what was really taken meanwhile: a slow machine streams more slowly
    my ($before, $at) = ($row->{request}{reserved_bytes}, $json->{server}{time});
    sleep 3;
    $json = $s->json;
    $row  = row_of($json, "&n=$name");
    my $rate = 60 * ($row->{request}{reserved_bytes} - $before) / ($json->{server}{time} - $at);
    within($row->{verdict}{bytes_per_minute}, $rate, 'bytes a minute');
    my $beside = row_of($json, "&n=quiet$name");
    ok($beside && (!$beside->{verdict} || $beside->{verdict}{state} ne 'growing'), 'the healthy stream beside is not accused');
    $_->close for $conn, $quiet;
};

# httpd bug 33382: a brigade is made at each read, on a pool that lives as long as the
# stream. The probe's reader is a function of its own.
for my $scope (qw(connection request)) {
    subtest "a stream that makes a brigade at each read, on the pool of the $scope" => sub {
        my $name = token("brigade$scope");
        my ($conn, $quiet) = map { PST::Conn->new($s->port) } 1 .. 2;
        $quiet->get("/poolprobe?stream=400&every=50&chunk=100&n=quiet$name", headers => ['Connection: close']);
        $conn->get("/poolprobe?stream=400&every=50&chunk=100&leak=$scope&brigades=100&n=$name", headers => ['Connection: close']);
        my ($json, $row, $begun);
        ok(wait_for(sub {
            $json = $s->json;
            $row = row_of($json, "&n=$name");
            $begun //= time if $row;
            $row && $row->{verdict} && ($row->{verdict}{site} // '') =~ /^mod_poolprobe\.so poolprobe_read\+0x/;
        }, 30), 'is named, with the function that reads') or return diag($row ? JSON::PP::encode_json($row) : 'no row');
        # that it grows is known in some eight; who it is, by what stayed for five of them at least
        cmp_ok(time - $begun, '<=', 20, 'within twenty seconds');
        is($row->{verdict}{scope}, $scope, 'what grows');
        my $grown = sub { my ($r) = @_; $scope eq 'request' ? $r->{request}{reserved_bytes} : $r->{reserved_bytes} };
        my ($before, $at) = ($grown->($row), $json->{server}{time});
        sleep 4;
        $json = $s->json;
        $row  = row_of($json, "&n=$name");
        within($row->{verdict}{bytes_per_minute}, 60 * ($grown->($row) - $before) / ($json->{server}{time} - $at), 'bytes a minute');
        my $beside = row_of($json, "&n=quiet$name");
        ok($beside && (!$beside->{verdict} || $beside->{verdict}{state} ne 'growing'), 'the healthy stream beside is not accused');
        like($s->fetch('/pool-status')->{body}, qr{class="suspects".*mod_poolprobe\.so poolprobe_read\+0x}s, 'the page names it');
        $_->close for $conn, $quiet;
    };
}

subtest 'a subpool of the connection made by each request and never destroyed' => sub {
    my ($row, $json, $conn) = leak('pool=connsub&bytes=100&free=keep', 0.05, 100, sub {
        my ($found) = grep { $_->{verdict} && $_->{verdict}{state} eq 'growing' && defined $_->{verdict}{bytes_per_request} } rows($_[0]);
        return $found;
    });
    ok($row, 'is named') or return;
    within($row->{verdict}{bytes_per_request}, 8192, 'bytes a request');
    ok(wait_for(sub {
        $conn->get('/poolprobe?pool=connsub&bytes=100&free=keep') && $conn->response;
        my ($found) = grep { $_->{pid} == $row->{pid} && $_->{id} == $row->{id} } rows($s->json);
        $found && $found->{verdict} && ($found->{verdict}{site} // '') =~ /^mod_poolprobe\.so/;
    }, 40), 'and the code that makes them');
    my ($class, $child);
    ok(wait_for(sub {
        $conn->get('/poolprobe?pool=connsub&bytes=100&free=keep') && $conn->response;
        ($child) = grep { $_->{pid} == $row->{pid} } @{ $s->json->{children} };
        ($class) = grep { $_->{verdict}{state} eq 'growing' && JSON::PP::encode_json($_) =~ /mod_poolprobe\.so/ } @{ $child->{classes} };
        return $class;
    }, 60), 'their class grows') or diag(JSON::PP::encode_json($child->{classes}));
    $conn->close;
};

is($s->stop, 0, 'stops in order');
done_testing;
