# The four situations that look alike from outside, a child that got large, and are told apart by their findings:
# a leak in a pool (of the child, or of a connection that is kept); memory freed by pools and kept in free lists; freed
# to malloc and kept by the heap; in use outside of pools. And a healthy server, under the same traffic but for that, has none.
# Then all are asked to release: what is in use stays, and is still found; what was only kept goes, as much as is said, and is
# found no more.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

# One child that serves, so that it is known who has what; a thread for the observer beside.
my $one = mpm() eq 'prefork' ? "StartServers 3\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 3\nMaxRequestWorkers 3\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 6\nThreadLimit 6\nMinSpareThreads 1\nMaxSpareThreads 6\nMaxRequestWorkers 6\n";

my %situation = (
    healthy => {},
    pool    => { found => 'growing-process', each => 'pool=child&bytes=400' },
    kept    => { found => 'growing-connection', each => 'pool=connection&bytes=400' },
    lists   => { found => 'retained-dominates', conf => "MaxMemFree 0\n", once => 'pool=request&bytes=1000000&pieces=40&touch=1' },
    heap    => { found => 'heap-free-dominates', once => 'heap=60000&heap_bytes=1000&heap_free=pinned' },
    malloc  => { found => 'heap-in-use-grows', each => 'heap=5&heap_bytes=1000' },
);

# mimalloc tells in use and free as one sum: what was freed, more and more of it, is no leak. The MPM does not matter.
my ($mimalloc) = grep { -e } glob('/usr/lib/*/libmimalloc.so.[23]*'), glob('/usr/lib/libmimalloc.so.[23]*');
$situation{freed} = { preload => $mimalloc }
  if $mimalloc && mpm() eq 'event' && !stage()->{san};

for my $name (sort keys %situation) {
    my $it = $situation{$name};
    local $ENV{LD_PRELOAD} = $it->{preload} if $it->{preload};
    $it->{server} = PST::Server->new("doctor-$name", limits => $one,
        conf => "ServerName main.example\nPoolStatControl On\n" . ($it->{conf} // ''));
    ok($it->{server}->start, "a server: $name") or BAIL_OUT($it->{server}->start_text . $it->{server}->log_text);
    $it->{conn} = PST::Conn->new($it->{server}->port);
}

# Of requests a server has had so many that take what is kept, and so many others.
sub ask {
    my ($it, $query) = @_;
    $it->{ $query eq ($it->{each} // '') ? 'taking' : 'others' }++;
    $it->{conn}->get("/poolprobe?$query&output=2") or return 0;
    return $it->{conn}->response->{status} == 200;
}

# Ordinary traffic everywhere: small requests, some larger.
for my $it (values %situation) {
    ask($it, "pool=request&bytes=$_") for (1000) x 150, 30000, 200000;
    ask($it, $it->{once}) or fail("$it->{once} was not answered") if $it->{once};
}

# What a view may leave out: all connections, or all children. Findings are of the server all the same.
my @less = qw(vhost=nope kind=backend pid=1);

# All faces within a moment, while the traffic goes on: what no longer grows is no longer found.
sub look {
    my ($s) = @_;
    my %look = (json => $s->json, page => $s->fetch('/pool-status')->{body});
    %{ $look{text} } = map { /^(\S+): (.*)/ ? ($1, $2) : () } split /\n/, $s->fetch('/pool-status?auto')->{body};
    $look{less}{$_} = $s->json(query => $_) for @less;
    $look{ids}  = join ' ', sort map { $_->{id} } @{ $look{json}{findings} };
    $look{page_ids} = join ' ', sort $look{page} =~ m{<li class="(?:info|warning|critical)">.*?<code>([a-z-]+)</code>}g;
    $look{text_ids} = join ' ', sort map { /^Finding\.\d+\.Id$/ ? $look{text}{$_} : () } keys %{ $look{text} };
    return \%look;
}

my $begun = time;
my ($looked, %early) = (0);
my %left = %situation;
delete @left{qw(healthy freed)};
wait_for(sub {
    for my $it (values %situation) {
        ask($it, $it->{each} // 'pool=request&bytes=500') for 1 .. 12;
    }
    return 0 if time < $looked + 1;
    $looked = time;
    ask($situation{freed}, 'heap_bytes=1000&heap_free=all&heap=' . 1000 * int(1 + time - $begun)) if $situation{freed};
    for my $name (keys %left) {
        my $it = $left{$name};
        $it->{look} = look($it->{server});
        $it->{share} = $it->{taking} / ($it->{taking} + $it->{others}) if $it->{each};
        $it->{others} += 3 + @less;
        $early{$name} = $it->{look}{ids} if $it->{look}{ids} && time - $begun < 15;
        # what grows by the request may be found to grow by time first
        next if $it->{each} && !($it->{look}{json}{findings}[0] && $it->{look}{json}{findings}[0]{figures}{bytes_per_request});
        delete $left{$name} if 3 == grep { $it->{look}{$_} eq $it->{found} } qw(ids page_ids text_ids);
    }
    return !%left && time - $begun > 46;
}, 80);
note(sprintf 'after %.0f s', time - $begun);
$situation{$_}{look} = look($situation{$_}{server}) for grep { $situation{$_} } qw(healthy freed);
SKIP: {
    skip mpm() eq 'event' && !stage()->{san} ? 'not here: mimalloc' : 'does not depend on the MPM', 2 if !$situation{freed};
    my ($child) = @{ $situation{freed}{look}{json}{children} };
    is($child->{heap_tells}, 'sum', 'mimalloc tells a sum');
    cmp_ok($child->{heap_in_use_bytes}, '>', 20e6, "of $child->{heap_in_use_bytes} bytes, all of them freed");
}

my %figures;
for my $name (sort keys %situation) {
    my $it = $situation{$name};
    my $found = $it->{found} // '';
    my ($json, $page, $text) = @{ $it->{look} }{qw(json page text)};
    subtest $name => sub {
        is($it->{look}{ids}, $found, $found ? "$found, and nothing else" : 'no finding')
          or diag(map { "$_->{id}: $_->{what} $_->{evidence}\n" } @{ $json->{findings} });
        is($it->{look}{page_ids}, $found, 'the page says the same');
        is($it->{look}{text_ids}, $found, 'and the text');
        for my $less (@less) {
            is(join(' ', sort map { $_->{id} } @{ $it->{look}{less}{$less}{findings} }), $found, "and JSON of $less");
            is(scalar(map { @{ $_->{connections} } } @{ $it->{look}{less}{$less}{children} }), 0, 'which shows no connection');
        }
        is($early{$name} // '', '', 'not before there was a record to judge by');
        like($page, qr{<p class="healthy" id="doctor"><b>No findings\.</b>}, 'the page is calm') if !$found;
        my ($f) = @{ $json->{findings} } or return;
        ok((grep { $_->{pid} == $f->{pid} } @{ $json->{children} }), 'names a child');
        ok(length $f->{what} && length $f->{evidence} && length $f->{advice}, 'what, by what, and what to do');
        is($text->{"Finding.1.$_->[0]"}, $f->{ $_->[1] }, "$_->[1] is the same in text") for [ 'Severity', 'severity' ], [ 'Pid', 'pid' ];
        # advice moves least of what is said, the rest has figures of the moment; and no character that HTML escapes
        my ($advice) = $f->{advice} =~ /^([^'"<>&]{10,40})/;
        is(index($text->{'Finding.1.Advice'}, $advice), 0, 'so is the advice');
        like($page, qr{\Q$advice\E}, 'and on the page');
        $figures{$name} = $f->{figures};
        note("$f->{severity}: $f->{what} $f->{evidence} $f->{advice}");
    };
}

# How much, where it can be known: so many bytes that the probe took.
sub between { my ($got, $least, $most, $what) = @_; $got //= 'nothing'; ok($got =~ /^\d/ && $got >= $least && $got <= $most, "$what: $got") }
between($figures{lists}{retained_bytes}, 38e6, 60e6, 'lists: what 40 pieces of a million bytes left behind');
between($figures{heap}{heap_free_bytes}, 50e6, 80e6, 'heap: what 60,000 blocks of a thousand bytes left behind');
# a request, the observer's and the first ones among them: those came before, so there is no stretch of time with more of them
sub share { my ($name, $bytes) = @_; return 0.9 * $bytes * $situation{$name}{share} }
between($figures{malloc}{bytes_per_request}, share('malloc', 5000), 6500, 'malloc: 5,000 bytes a request, as above');
between($figures{kept}{bytes_per_request}, 250, 440, 'connection: 400 bytes a request');
between($figures{pool}{bytes_per_request}, share('pool', 400), 440, 'pool: 400 bytes a request, less the others');
note(map { sprintf "%s: %.2f of the requests take, %s bytes a request\n", $_, $situation{$_}{share}, $figures{$_}{bytes_per_request} } qw(malloc pool));

# ---- giving back ----

my %asked = map { $_ => $situation{$_} } qw(pool lists heap malloc);

sub traffic {
    for my $it (values %asked) {
        ask($it, $it->{each} // 'pool=request&bytes=500') for 1 .. 12;
    }
}

# A connection that is not in this child, where there are others: what a connection uses is left alone.
sub beside {
    my ($s, $pid) = @_;
    my @held;
    for (1 .. 20) {
        push @held, PST::Conn->new($s->port);
        $held[-1]->get('/poolprobe');
        last if mpm() ne 'prefork' || json_of($held[-1]->response->{body})->{pid} != $pid;
    }
    $held[-1]->response if mpm() ne 'prefork';
    return $held[-1];
}

sub release {
    my ($it) = @_;
    my ($s, $pid) = ($it->{server}, $it->{look}{json}{findings}[0]{pid});
    my $conn = beside($s, $pid);
    my $look = sub { $conn->get('/pool-status/json'); return json_of($conn->response->{body}) };
    $it->{conn}->close;
    wait_for(sub { $it->{before} = child_of($look->(), $pid); $it->{before}{connections_open} <= (mpm() eq 'prefork' ? 0 : 1) }, 10)
      or diag("still $it->{before}{connections_open} connections");
    my ($rss, $body) = (PST::Server::rss($pid), 'nonce=' . $look->()->{server}{release_nonce} . "&pid=$pid");
    $conn->send("POST /pool-status/release HTTP/1.1\r\nHost: main.example\r\nAccept: application/json\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
    my $r = $conn->response(timeout => 20);
    $it->{said} = json_of($r->{body})->{children}[0] or diag($r->{body});
    $it->{fell} = $rss - PST::Server::rss($pid);
    $it->{conn} = PST::Conn->new($s->port);
    note(join ', ', map { "$_ $it->{said}{$_}" } sort keys %{ $it->{said} }) if $it->{said};
}

for my $name (sort keys %asked) {
    release($asked{$name});
    is($asked{$name}{said}{state}, 'done', "$name: released");
}

# The sums are the kernel's and libapr's; a page here and there is touched meanwhile.
my %gives = (lists => 'allocators_bytes', heap => 'heap_bytes');
SKIP: {
    skip 'AddressSanitizer keeps what is freed', 6 if stage()->{san};
    for my $name (sort keys %gives) {
        my ($it, $key) = ($asked{$name}, $gives{$name});
        my $sum = $it->{said}{allocators_bytes} + $it->{said}{heap_bytes};
        between($it->{said}{$key}, 38e6, 70e6, "$name: $key");
        between($it->{fell}, 0.9 * $sum, 1.1 * $sum, "$name: RSS fell by the sum of $sum");
        between($it->{said}{rss_before_bytes} - $it->{said}{rss_after_bytes}, 0.9 * $sum, 1.1 * $sum, "$name: and so is said");
    }
}
for (['pool', sub { $_[0]{process}{reserved_bytes} }], ['malloc', sub { $_[0]{heap_in_use_bytes} }]) {
    my ($name, $in_use) = @$_;
    my $it = $asked{$name};
    my $sum = $it->{said}{allocators_bytes} + $it->{said}{heap_bytes};
    my $after = child_of($it->{server}->json, $it->{before}{pid});
    cmp_ok($sum, '<', 8e6, "$name: little is given back: $sum");
    cmp_ok($in_use->($after), '>=', $in_use->($it->{before}) - 200_000, 'and nothing of what is in use');
}

my %want = map { $_ => $gives{$_} ? '' : $asked{$_}{found} } keys %asked;
my $released = time;
ok(wait_for(sub {
    traffic();
    return 0 if time < $looked + 1;
    $looked = time;
    $_->{look} = look($_->{server}) for values %asked;
    return time > $released + 8 && !grep { $asked{$_}{look}{ids} ne $want{$_} } keys %want;
}, 60), 'findings of what was kept are gone, those of what is in use are not');
is($asked{$_}{look}{ids}, $want{$_}, $want{$_} ? "$_ is still found" : "$_ is no longer found") for sort keys %want;

$_->{conn}->close for values %situation;
is($situation{$_}{server}->stop, 0, "$_ stops in order") for sort keys %situation;
done_testing;
