# Serving the page does not grow the child that serves it: 10,000 views of page, text
# and JSON by one child, whose books and RSS then stand where they stood after the first ones.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my ($WARM, $VIEWS) = (1000, 10_000);
my @faces = ('/pool-status', '/pool-status?auto', '/pool-status/json', '/pool-status?sort=age&rows=10');

# a server of its own: what other tests' requests left free is touched again by chance
my $s = PST::Server->new('steady');
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
my $conn = PST::Conn->new($s->port);
my ($pid, $done, $bad) = (undef, 0, 0);

sub view {
    my ($n) = @_;
    for (1 .. $n) {
        $conn->get($faces[ $done++ % @faces ]);
        my $response = $conn->response;
        $bad++ if !$response || ($response->{status} // 0) != 200;
        last if !$response;
    }
    # the child that serves this connection, as it sees itself
    $conn->get('/pool-status/json');
    my $json = json_of($conn->response->{body});
    my ($row) = grep { $_->{request} && $_->{request}{line} eq 'GET /pool-status/json HTTP/1.1' && $_->{requests} >= $done } rows($json);
    $pid //= $row->{pid};
    my ($child) = grep { $_->{pid} == $row->{pid} } @{ $json->{children} };
    open my $status, '<', "/proc/$row->{pid}/status" or die "no child $row->{pid}: $!";
    my %rss = map { /^(Rss\w+):\s+(\d+)/ ? ($1 => $2) : () } <$status>;
    my $rss = $rss{RssAnon} + $rss{RssShmem};
    return { pid => $row->{pid}, rss => $rss, connection => $row->{reserved_bytes}, held => $child->{held_bytes},
        map { ("process_$_" => $child->{process}{$_}) } qw(pools reserved_bytes) };
}

my $before = view($WARM);
my $after  = view($VIEWS);
is($bad, 0, "$done views");
is($after->{pid}, $before->{pid}, 'by one child');
is($after->{$_}, $before->{$_}, "$_ is what it was") for qw(process_pools process_reserved_bytes connection);
cmp_ok($after->{held}, '<=', $before->{held} + 1024 * 1024, 'held: no more than free lists take');
SKIP: {
    skip 'AddressSanitizer keeps what is freed', 1 if stage()->{san};
    cmp_ok($after->{rss}, '<=', $before->{rss} + 512, "RSS: $before->{rss} kB before, $after->{rss} kB after");
}
$conn->close;
is($s->stop, 0, 'stops');
done_testing;
