# PoolStatRelease under traffic that needs its memory again and again: a child must not get larger by it than
# without, what is on its way to the system counts as kept, and a node larger than a second's worth goes too.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

# One child that is asked, and one thread or child beside for the observer, who keeps his connection.
my $limits = mpm() eq 'prefork'
  ? "StartServers 2\nMinSpareServers 1\nMaxSpareServers 2\nServerLimit 2\nMaxRequestWorkers 2\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxRequestWorkers 4\n";
my ($rate, $large, $requests) = (64 << 10, 40_000_000, 4);

sub server {
    my ($name, $release) = @_;
    my $s = PST::Server->new($name, limits => $limits, conf => "MaxMemFree 0\nPoolStatRelease $release\n");
    ok($s->start, "a server with PoolStatRelease $release") or BAIL_OUT($s->start_text . $s->log_text);
    return $s;
}

my %observer;

sub look {
    my ($s) = @_;
    my $c = $observer{ $s->port } //= PST::Conn->new($s->port);
    $c->get('/pool-status/json');
    return json_of($c->response->{body});
}

sub stops {
    my ($s, $name) = @_;
    delete($observer{ $s->port })->close;
    is($s->stop, 0, "$name stops in order");
}

# The child that has the large request's memory.
sub large { my ($json) = @_; return (sort { $b->{held_bytes} <=> $a->{held_bytes} } @{ $json->{children} })[0] }

sub ask {
    my ($s, $query) = @_;
    my $c = PST::Conn->new($s->port) or return 0;
    $c->get("/poolprobe?$query&touch=1&output=2", headers => ['Connection: close']);
    my $good = $c->response->{status} == 200;
    $c->closed(5);
    return $good;
}

# Their threads look at allocators once a second, and count.
sub idle {
    my ($seconds, @servers) = @_;
    my %from = map { $_->port => large(look($_))->{max_free}{samples} } @servers;
    return wait_for(sub { !grep { large(look($_))->{max_free}{samples} < $from{ $_->port } + $seconds } @servers }, $seconds + 10);
}

my %server = (off => server('gently-off', 'Off'), on => server('gently-on', $rate));
my (%most, %kept, %rss);
look($_) for values %server;
for my $n (1 .. $requests) {
    for my $name (qw(off on)) {
        ok(ask($server{$name}, 'pool=request&bytes=1000000&pieces=40'), "$name: request $n of 40 MB");
    }
    ok(idle(4, values %server), 'then they are idle');
    for my $name (qw(off on)) {
        my $child = large(look($server{$name}));
        $most{$name} = $child->{held_bytes} if $child->{held_bytes} > ($most{$name} // 0);
        ($kept{$name}, $rss{$name}) = ($child->{allocators_kept_bytes}, PST::Server::rss($child->{pid}));
    }
}
note("most held: $most{off} Off, $most{on} with PoolStatRelease; kept in the end: $kept{off}, $kept{on}; RSS $rss{off}, $rss{on}");
cmp_ok($most{off}, '>', $large, 'Off: what one request needs is kept');
cmp_ok($most{on}, '<=', $most{off} + (1 << 20), 'with PoolStatRelease a child holds no more');
cmp_ok($kept{on}, '>=', $kept{off} - 2 * $rate * 4 * $requests, 'what was not given back counts as kept');
SKIP: {
    skip 'AddressSanitizer keeps what is freed', 1 if stage()->{san};
    cmp_ok($rss{on}, '<=', $rss{off} + (4 << 20), 'nor is more of it resident');
}
stops($server{$_}, $_) for qw(off on);

subtest 'a node of more than a second' => sub {
    my $begun = time;
    my $s = server('gently-large', '512K');
    my %before = map { $_->{pid} => $_->{held_bytes} } @{ look($s)->{children} };
    ok(ask($s, 'pool=request&bytes=2000000&pieces=2'), 'two nodes of 2 MB, at 512 KB a second');
    my $then = large(look($s));     # it begins at once
    cmp_ok($then->{held_bytes} + $then->{release_allocators_bytes} - ($before{ $then->{pid} } // 0), '>', 3_900_000, 'are kept, or on their way');
    my $given;
    ok(wait_for(sub { $given = 0; $given += $_->{release_allocators_bytes} for @{ look($s)->{children} }; $given > 3_900_000 }, 30),
        'and go in the end') or diag("$given bytes");
    cmp_ok($given, '<=', (time - $begun + 1) * (512 << 10), 'no faster than told');
    stops($s, 'it');
};
done_testing;
