# The face for Prometheus: formats by Accept, form, agreement with JSON, and a real Prometheus that scrapes it.
use strict;
use warnings;
use PST;
use PST::Metrics;
use PST::Server;
use Test::More;

my $url  = '/pool-status/metrics';
my %type = (text => 'text/plain; version=0.0.4; charset=utf-8', open => 'application/openmetrics-text; version=1.0.0; charset=utf-8');
# what Prometheus 2.42 sends
my $scraper = 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,'
  . 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

subtest 'two formats' => sub {
    my %asks = ('' => 'text', '*/*' => 'text', 'text/html, */*;q=0.1' => 'text', $scraper => 'open', 'image/png' => 'text',
        'application/openmetrics-text;q=0.2, text/plain;q=0.3' => 'text', 'text/plain;q=0, */*' => 'open');
    for my $accept (sort keys %asks) {
        my @headers = length $accept ? "Accept: $accept" : ();
        my $r = fetch($url, headers => \@headers);
        is($r->{status}, 200, "Accept: $accept");
        is($r->{headers}{'content-type'}, $type{ $asks{$accept} }, 'its type');
        like($r->{headers}{vary} // '', qr/\bAccept\b/i, 'and caches are told');
        ok(eval { PST::Metrics->parse($r->{body}, $asks{$accept} eq 'open') }, 'well-formed') or diag($@);
        my $h = fetch($url, method => 'HEAD', headers => \@headers);
        is("$h->{status} $h->{headers}{'content-type'}", "200 $type{ $asks{$accept} }", 'HEAD says the same');
        is($h->{body}, '', 'without a body');
    }
    my $split = fetch($url, headers => [ 'Accept: text/plain;q=0.1', 'Accept: application/openmetrics-text' ]);
    is($split->{headers}{'content-type'}, $type{open}, 'two Accept headers are one');
    my $r = fetch($url);
    is($r->{headers}{'cache-control'}, 'no-store', 'no-store');
    is($r->{headers}{'x-content-type-options'}, 'nosniff', 'nosniff');
};

subtest 'arguments and methods' => sub {
    is(fetch("$url?$_")->{status}, 400, $_) for 'nonsense=1', 'pid=1', 'sort=used', 'auto', 'refresh=5', 'classes=all', 'classes=sum&classes=off';
    like(fetch("$url?classes=all")->{body}, qr/"classes" must be sum, block or off/, 'the sentence says what is accepted');
    is(fetch("$url?classes=$_")->{status}, 200, "classes=$_") for 'sum', 'block', 'off', '';
    is(fetch($url, method => $_, headers => ['Content-Length: 0'])->{status}, 405, "$_ is refused") for qw(POST PUT DELETE OPTIONS);
    is(fetch("/pool-status/json?classes=sum")->{status}, 400, 'classes= is for this face');
    is(fetch("$url/x")->{status}, 404, 'nothing below it');
};

subtest 'families' => sub {
    wait_for(sub { fetch($url)->{body} =~ /\brole="/ }, 20);     # the parent looks at other processes every ten seconds
    my $table = PST::Metrics::table();
    my ($open, $text) = map { PST::Metrics->fetch(open => $_, query => 'classes=block') } 1, 0;
    is(join(' ', map $_->{name} =~ s/_total$//r, $text->families), join(' ', map { $_->{name} . ($_->{type} eq 'info' ? '_info' : '') } $open->families),
        'both formats have the same, in the same order');
    my %kind = map { ($_->{prom} => $_->{kind}) } values %$table;
    my %want = (gauge => 'gauge', peak => 'gauge', time => 'gauge', counter => 'counter', histogram => 'histogram', info => 'gauge');
    my %seen;
    for my $f ($text->families) {
        $seen{ $f->{name} } = 1;
        is($f->{type}, $want{ $kind{ $f->{name} } // 'none' } // '', "$f->{name} is of the table, and of its type") or next;
    }
    # what has no family: URLs, which clients choose; sites, sums that PromQL makes, counters of what is short-lived
    my @without = grep { !$seen{ $table->{$_}{prom} } && $table->{$_}{group} !~ /^(?:site|generation)$/ && !/^generation_|^url_/ } sort keys %$table;
    is("@without", 'connections_reserved_bytes process_reserved_bytes requests requests_peak_bytes requests_reserved_bytes',
        'every figure of the table has one, but for these');
    my %label = map { map { ($_ => 1) } keys %{ $_->[1] } } grep { $_->[0] !~ /^poolstat_(?:server_info|findings?)$/ } $open->samples;
    is(join(' ', sort keys %label), 'block class kind le role scope tag', 'labels are bounded ones');
    my $pids = join '|', map $_->{pid}, @{ json_now()->{children} };
    is(scalar(grep { join(' ', values %{ $_->[1] }) =~ /\b(?:$pids)\b/ } $open->samples), 0, 'no pid in a label');
};

subtest 'sizes of requests' => sub {
    fetch('/poolprobe?pool=request&bytes=3000000') for 1 .. 5;
    # the sum lies between what its buckets allow at least and at most
    my $said;
    my $good = wait_for(sub {
        my $m = PST::Metrics->fetch;
        my $requests = 0;
        $said = '';
        for my $block (map $_->[1]{block}, $m->find('poolstat_request_peak_bytes_sum')) {
            my ($low, $high, $below, $from) = (0, 0, 0, 0);
            for ($m->find('poolstat_request_peak_bytes_bucket', block => $block)) {
                my ($to, $n) = ($_->[1]{le}, $_->[2] - $below);
                ($low, $high) = ($low + $n * $from, $high + ($n ? $n * ($to eq '+Inf' ? 9**99 : $to) : 0));
                ($below, $from) = ($_->[2], $to);
            }
            my $sum = $m->value('poolstat_request_peak_bytes_sum', block => $block);
            $said .= "block $block: $sum is not between $low and $high\n" if $sum < $low || $sum > $high;
            $requests += $below;
        }
        return $requests >= 5 && !$said;
    }, 5);
    ok($good, 'their sum fits their buckets') or diag($said);
};

subtest 'promtool check metrics' => sub {
    plan skip_all => lacks('promtool') if lacks('promtool');
    for my $query ('', 'classes=block') {
        my $file = stage()->{top} . "/t/logs/metrics-$$";
        PST::Stage::write_file($file, fetch("$url?$query")->{body});
        my $said = `promtool check metrics < $file 2>&1`;
        is($said, '', "finds nothing, $query");
        is($?, 0, 'status 0');
        unlink $file;
    }
};

# One child stands still: stopped, it changes nothing, and the other one answers.
my $s = PST::Server->new('metrics', conf => <<'EOT');
PoolStatMaxChild 900M pss
<Location "/closed">
    SetHandler pool-status
    Require all denied
</Location>
<Location "/closed/metrics">
    Require local
</Location>
EOT
ok($s->start, 'a server of its own') or BAIL_OUT($s->start_text . $s->log_text);

subtest 'let in to the metrics alone' => sub {
    is($s->fetch('/closed')->{status}, 403, 'not to the page');
    is($s->fetch('/closed/json')->{status}, 403, 'nor to JSON');
    my $r = $s->fetch('/closed/metrics');
    is($r->{status}, 200, 'but to the metrics') or return;
    ok(eval { PST::Metrics->parse($r->{body}) }, 'which these are') or diag($@);
};

my @p = map { PST::Probe->start($_, port => $s->port, ask => $s->port) }
  'pool=request&bytes=5000001', 'pool=connection&bytes=300000', 'pool=buckets&bytes=2000000&pieces=2';
$_->arrived('hold') for @p;
my $stopped = row_of($s->json, $p[0]->name)->{pid};
$s->freeze_at_rest($stopped) or fail('it comes to rest');

subtest 'a frozen child' => sub {
    my $child = child_of($s->json, $stopped) or return fail('is in JSON');
    ok(exists $child->{block}, 'JSON says its block');
    my %m = map { ($_ => PST::Metrics->fetch(open => $_, port => $s->port, query => 'classes=block')) } 0, 1;
    is(join("\n", $m{$_}->disagreements($child)), '', $_ ? 'OpenMetrics agrees with JSON' : 'text agrees with JSON') for 0, 1;
    cmp_ok($m{0}->value('poolstat_reserved_bytes', block => $child->{block}, scope => 'request'), '>', 5_000_000, 'its request is seen');
    is($m{0}->value('poolstat_reserved_bytes', block => $child->{block}), $child->{reserved_bytes}, 'scopes add up to the child');
    is($m{0}->value('poolstat_class_reserved_bytes', block => $child->{block}), $child->{reserved_bytes}, 'so do its classes');
    my $sum = PST::Metrics->fetch(port => $s->port);
    is($sum->value('poolstat_child_limit_bytes'), 900 * 1024 * 1024, 'what a child may have');
    is($sum->value('poolstat_child_limit_pss'), 1, 'of its PSS');
    is($sum->value('poolstat_children'), scalar(@{ $s->json->{children} }), 'children');
};

PST::Server::thaw($stopped);
for (@p) { $_->finish; $_->conn->close }
is($s->stop, 0, 'stops');
done_testing;
