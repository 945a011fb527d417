# The section on mod_status's page: in HTML, without tables, in ?auto, extended or not; exact; never the
# end of that page.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('server-status');
my $status = "<Location /server-status>\nSetHandler server-status\n</Location>\n";
my @balance = qw(Children ConnectionsOpen HeldBytes ReservedBytes BucketBytes RetainedBytes);
my @at_large = qw(PeakBytes ProcessReservedBytes PoolsCreated PoolsDestroyed RequestsFinished PssBytes);
my $conn;

sub ask {
    my ($query) = @_;
    for (1, 2) {
        $conn //= PST::Conn->new($s->port);
        $conn->get("/server-status$query");
        my $r = $conn->response;
        return $r->{body} if $r->{status} == 200 && $r->{complete};
        undef $conn;
    }
    return '';
}

sub auto { my %f = ask('?auto') =~ /^PoolStat(\w+): (\d+)\r?$/mg; return \%f }

$s->write_conf(conf => "$status ExtendedStatus On\n");
$s->start or BAIL_OUT('no server: ' . $s->start_text . $s->log_text);

subtest 'text' => sub {
    # a PSS that was not taken yet is a dash
    ok(wait_for(sub { !grep { !defined $_->{pss_bytes} } @{ $s->json->{children} } }), 'the books of all children were taken');
    my $text = ask('?auto');
    my @keys = $text =~ /^PoolStat(\w+): \d+$/mg;
    is("@keys", "@balance @at_large", 'a line for each figure');
    is(scalar(() = $text =~ /PoolStat/g), scalar @keys, 'and nothing else of ours');
    my $f = {};
    ok(wait_for(sub { $f = auto(); $f->{HeldBytes} == $f->{ReservedBytes} + $f->{BucketBytes} + $f->{RetainedBytes} }, 5), 'they balance');
    my ($a, $b, $json);
    ok(wait_for(sub {
        $a = $s->json->{total}; $f = auto(); $b = $s->json->{total};
        $f->{Children} == $a->{children} && $a->{children} == $b->{children};
    }, 5), 'as many children as on our page');
    for my $key (qw(pools_created pools_destroyed requests_finished)) {
        my $name = join '', map ucfirst, split /_/, $key;
        cmp_ok($f->{$name}, '>=', $a->{$key}, "$key: no less than before");
        cmp_ok($f->{$name}, '<=', $b->{$key}, 'no more than after');
    }
};

subtest 'exact' => sub {
    my $BYTES = 10 * 1024 * 1024;
    my ($before, $after, $report);
    for (1 .. 6) {
        my $p = PST::Probe->start("pool=request&bytes=$BYTES&output=none", port => $s->port, ask => $s->port, hold => [qw(hold0 hold)]);
        $p->arrived('hold0');
        auto();
        $before = auto();
        $p->release('hold0');
        $report = $p->arrived('hold');
        auto();
        $after = auto();
        $p->finish;
        $p->conn->close;
        last if $after->{ReservedBytes} - $before->{ReservedBytes} == node_size($BYTES);
    }
    is($after->{ReservedBytes} - $before->{ReservedBytes}, node_size($BYTES), 'reserved grows by the node that the probe took');
};

subtest 'HTML' => sub {
    my $page = ask('');
    my ($section) = $page =~ /(<h2 id="poolstat">.*?<\/table>)/s or return fail('no section');
    is(scalar(() = $section =~ /<tr /g), @balance + @at_large, 'a row for each figure');
    like($section, qr/<th align="left">Held<\/th><td align="right">[\d,]+ bytes<\/td><td align="right">[\d.]+ [KMG]iB<\/td>/, 'exact, and for people');
    like($section, qr{<a href="/pool-status">}, 'a link to our page');
    like($page, qr{</table>\s*(?:<hr />.*)?</body></html>\s*$}s, 'the page ends as ever');
    my $list = ask('?notable');
    ($section) = $list =~ /(<h2 id="poolstat">.*?<\/dl>)/s or return fail('no section without tables');
    unlike($section, qr/<t[adrh]/, 'without tables there is none');
    is(scalar(() = $section =~ /<dt /g), @balance + @at_large, 'and all figures');
};

subtest 'not extended, no board' => sub {
    $s->write_conf(conf => "${status}ExtendedStatus Off\n");
    $conn->close;
    undef $conn;
    ok($s->graceful, 'restarted');
    ok(wait_for(sub { join(' ', sort keys %{ auto() }) eq join ' ', sort @balance }, 10), 'the balance alone') or diag(explain(auto()));
    $conn->close;
    $s->stop;
    $s->write_conf(conf => "${status}PoolStatFile no/such/folder/board\n");
    ok($s->start, 'a server without a board');
    undef $conn;
    is_deeply(auto(), {}, 'no lines');
    like(ask(''), qr{mod_poolstat has no figures: .*</body></html>}s, 'a sentence, and the rest of the page');
    $conn->close;
};
is($s->stop, 0, 'the server ends');
done_testing;
