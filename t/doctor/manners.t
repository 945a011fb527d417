# The doctor's manners, on servers: what comes and goes within seconds is no finding; five of a kind keep their places; what is endless is
# not told to have a bound; no leak before its forty seconds, and until then it is said what grows and what it waits for; whoever
# looks is in none of it.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'AddressSanitizer takes its time' if stage()->{san};
my $prefork = mpm() eq 'prefork';
my $limits = $prefork ? "StartServers 10\nMinSpareServers 1\nMaxSpareServers 14\nServerLimit 14\nMaxRequestWorkers 14\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 12\nThreadLimit 12\nMinSpareThreads 1\nMaxSpareThreads 12\nMaxRequestWorkers 12\n";
my %s = map { $_ => PST::Server->new("manners-$_", limits => $limits) } qw(bursts five leak);
my %started;
for my $name (sort keys %s) {
    $s{$name}->start or BAIL_OUT($s{$name}->start_text . $s{$name}->log_text);
    $started{$name} = time;
}
sub ask { my ($name, $query) = @_; PST::fetch("/poolprobe?$query&output=2", port => $s{$name}->port)->{status} == 200 or BAIL_OUT("$name: no answer") }

# seven endless answers, on each of which some more memory stays with its connection at each chunk, nearly as much of each
my @endless;
for my $i (0 .. 6) {
    my $c = PST::Conn->new($s{five}->port);
    $c->get("/poolprobe?stream=3000&every=40&chunk=5&leak=connection&bytes=" . (1500 + 60 * $i), headers => ['Connection: close']);
    push @endless, $c;
}
# a child of a server whose leak is in none of its pools holds something, so that there is one to draw
my $held = PST::Conn->new($s{leak}->port);
$held->get('/poolprobe?pool=connection&bytes=300000&output=2');
my $holder = $held->response->{status} == 200 && do { my ($row) = grep { $_->{reserved_bytes} > 300000 } rows($s{leak}->json); $row->{pid} };

my (%seen, @order, @spans, %on, $now, $waits, $early, %first, @largest, %drawn, $burst);
my $begun = time;
my $looks = 0;
wait_for(sub {
    $_->_more(time + 0.001), $_->{buffer} = '' for @endless;
    # it would be closed after thirty seconds
    $held->get('/poolprobe?pool=none&output=2') && $held->response if $looks % 10 == 1;
    # a leak from malloc from the start; and one from pools that comes in bursts of three seconds, six seconds apart
    ask('leak', 'heap=40&heap_bytes=2000');
    ask('bursts', 'pool=child&bytes=20000') if int(time - $begun) % 9 < 3;
    return 0 if $now && time - $now < 1;
    $now = time;
    $looks++;
    my %json = map { $_ => $s{$_}->json } keys %s;
    for my $name (keys %s) {
        for my $f (@{ $json{$name}{findings} }) {
            $seen{$name}{ $f->{id} } = $f;
            $first{$name}{ $f->{id} } //= [ time - $started{$name}, $f ];
        }
        push @largest, grep { $_->{line} =~ m{/pool-status} } @{ $json{$name}{total}{largest_requests} };
    }
    for my $id (map { $_->{id} } @{ $json{bursts}{findings} }, values %on ? map { { id => $_ } } keys %on : ()) {
        my $is = grep { $_->{id} eq $id } @{ $json{bursts}{findings} };
        push @{ $on{$id} }, [ $now, $is ] if !$on{$id} || $on{$id}[-1][1] != $is;
    }
    my @five = map { "$_->{pid}/$_->{connection}" } grep { $_->{id} eq 'growing-connection' } @{ $json{five}{findings} };
    push @order, "@five" if @five == 5;
    if (!$seen{leak}{'heap-in-use-grows'} && $json{leak}{findings} && !@{ $json{leak}{findings} }) {
        my ($told) = $s{leak}->fetch('/pool-status')->{body} =~ /(The heap of child \d+ grew by [^;<]*; [^<.]*)/;
        $waits = $told if $told;
    }
    $drawn{ $s{leak}->fetch('/pool-status')->{body} =~ /id="chart"[^>]*data-pid="(\d+)"/ ? $1 : 'none' }++;
    return $seen{leak}{'heap-in-use-grows'} && @order >= 15 && time - $begun > 60;
}, 110);
note(sprintf '%d looks in %.0f s', $looks, time - $begun);

subtest 'five of a kind keep their places' => sub {
    cmp_ok(scalar @order, '>=', 15, 'five are listed, in fifteen looks');
    my $last = $order[-1];
    my @tail = @order[ -10 .. -1 ];
    my %orders = map { $_ => 1 } @tail;
    is(scalar keys %orders, 1, 'in one order, in the last ten') or diag(map { "$_\n" } @tail);
    is($seen{five}{'growing-connection'}{more} // 0, 2, 'and two more');
    like($seen{five}{'growing-connection'}{advice}, qr/as long as one request or stream lasts, no directive bounds that/, 'of an endless answer');
    unlike($seen{five}{'growing-connection'}{advice}, qr/MaxKeepAliveRequests/, 'no bound is promised');
};
subtest 'no leak before its time' => sub {
    my ($after, $f) = @{ $first{leak}{'heap-in-use-grows'} // [] };
    ok($f, 'found') or return;
    cmp_ok($after, '>=', 40, 'forty seconds after the start at the earliest: ' . sprintf '%.0f s', $after);
    cmp_ok($f->{figures}{growing_seconds}, '>=', 40, 'for as long');
    like($waits // '', qr/^The heap of child \d+ grew by [\d.]+ [KM]iB in \d+ s; it is a finding if that lasts for 40 s|below [\d.]+ [KM]iB it is not a finding/,
        'until then it is said what grows and what it waits for');
    note($waits);
};
subtest 'what comes and goes' => sub {
    for my $id (sort keys %on) {
        my @changes = @{ $on{$id} };
        my @short = grep { $changes[ $_ + 1 ][0] - $changes[$_][0] < 4 } 0 .. $#changes - 1;
        is(scalar @short, 0, "$id neither comes nor goes for less than some seconds") or diag(map { sprintf "%.0f s: %s\n", $_->[0] - $begun, $_->[1] ? 'there' : 'gone' } @changes);
    }
    ok(1, join ' ', 'found:', sort keys %on);
};
subtest 'whoever looks' => sub {
    is(scalar @largest, 0, 'is none of the largest') or diag(explain($largest[0]));
    is(join(' ', keys %drawn), $holder, 'nor makes a child the one that is drawn');
    my $json = $s{leak}->json;
    my %counted = map { $_->{handler} => $_->{requests} } @{ $json->{total}{request_sizes}{handlers} };
    ok($counted{poolprobe}, 'requests are counted by size');
    is($counted{'pool-status'}, undef, 'its own are not');
};
$_->close for @endless, $held;
is($s{$_}->stop, 0, "$_: stops") for sort keys %s;
unlike($s{$_}->log_text, qr/exit signal/, "$_: no crash") for sort keys %s;
done_testing;
