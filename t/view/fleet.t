# What conf/prometheus ships: rules by promtool, names by the table, and all of it in a real Prometheus that scrapes
# two servers, one of them with a child that stands still: its figures must come out of Prometheus as JSON has them.
use strict;
use warnings;
use PST;
use PST::Metrics;
use PST::Server;
use Test::More;

mpm() eq 'event' or plan skip_all => 'nothing here depends on the MPM: event runs it';
plan skip_all => lacks(qw(promtool prometheus)) if lacks(qw(promtool prometheus));

my $dir  = stage()->{top} . '/t/shipped/prometheus';
my %text = map { ($_ => PST::Stage::read_file("$dir/$_")) }
  qw(scrape.yml poolstat.rules.yml poolstat.rules.test.yml grafana-dashboard.json);
my $dash = json_of($text{'grafana-dashboard.json'}) or BAIL_OUT('the dashboard is no JSON');
my @panels  = grep { $_->{type} ne 'row' } @{ $dash->{panels} };
my @queries = map { my $p = $_; map { [ $p->{title}, $_->{expr} ] } @{ $p->{targets} } } @panels;

subtest 'rules' => sub {
    my $said = `cd $dir && promtool check rules poolstat.rules.yml 2>&1`;
    is($?, 0, 'promtool check rules') or diag($said);
    $said = `cd $dir && promtool test rules poolstat.rules.test.yml 2>&1`;
    is($?, 0, 'promtool test rules') or diag($said);
    my @alerts = $text{'poolstat.rules.yml'} =~ /- alert: (\w+)/g;
    my %tested = map { ($_ => 1) } $text{'poolstat.rules.test.yml'} =~ /alertname: (\w+)\n\s+exp_alerts:/g;
    is(join(' ', grep { !$tested{$_} } @alerts), '', 'each alert is tested to fire');
    cmp_ok(scalar @alerts, '>=', 8, 'there are some');
};

subtest 'names' => sub {
    my %known = map { ($_->{prom} => $_->{kind}) } values %{ PST::Metrics::table() };
    my %recorded = map { ($_ => 1) } $text{'poolstat.rules.yml'} =~ /record: (\S+)/g;
    my @exprs = map $_->[1], @queries;
    push @exprs, map { $_->{query} =~ /^label_values\((.*), \w+\)$/ ? $1 : () } map { ref $_->{query} ? $_->{query} : () } @{ $dash->{templating}{list} };
    my $rules = $text{'poolstat.rules.yml'} =~ s/#.*|(?:summary|description): .*//gr;
    push @exprs, $rules =~ /expr: (.*(?:\n {10,}.*)*)/g;
    cmp_ok(scalar @exprs, '>', 40, 'expressions are found');
    my @unknown;
    for my $expr (@exprs) {
        for my $name ($expr =~ /([a-zA-Z_:]*poolstat_[a-z0-9_:]+)/g) {
            my $family = $name =~ s/_(?:bucket|sum|count)$//r;
            push @unknown, $name unless $name =~ /:/ ? $recorded{$name} : $known{$name} || ($known{$family} // '') eq 'histogram';
        }
    }
    is("@unknown", '', 'each name is in the table or recorded');
};

subtest 'dashboard' => sub {
    my (%id, @overlap);
    $id{ $_->{id} }++ for @{ $dash->{panels} };
    is(scalar(grep { $_ > 1 } values %id), 0, 'panels have ids of their own');
    my %cell;
    for my $p (@{ $dash->{panels} }) {
        my $g = $p->{gridPos};
        for my $y ($g->{y} .. $g->{y} + $g->{h} - 1) {
            for my $x ($g->{x} .. $g->{x} + $g->{w} - 1) {
                push @overlap, $p->{title} if $cell{"$x $y"}++ || $x > 23;
            }
        }
    }
    is("@overlap", '', 'none covers another');
    is(join(' ', map $_->{name}, @{ $dash->{templating}{list} }), 'datasource job instance block page page_path', 'from fleet to server to child, and out of it');
    is(scalar(grep { !@{ $_->{targets} } } @panels), 0, 'each panel asks something');
};

# Every text in it, with the panel that it stands in.
sub texts {
    my ($thing, $panel, $key) = @_;
    return map { texts($_, $panel, $key) } @$thing if ref $thing eq 'ARRAY';
    return map { texts($thing->{$_}, ref $thing->{panels} ? undef : $panel // (exists $thing->{gridPos} ? $thing : undef), $_) } sort keys %$thing if ref $thing eq 'HASH';
    return { text => $thing // '', panel => $panel, key => $key // '' };
}

subtest 'variables' => sub {
    my %is = map { ($_->{name} => 1) } @{ $dash->{templating}{list} };
    # Grafana's own, of a dashboard, a series, a row
    my $own = qr/^(?:__rate_interval|__all|__url_time_range|__dashboard\.uid|__value\.raw|__field\.labels\.\w+|__data\.fields\.\w+)$/;
    my @used = map { my $t = $_; map [ $_, $t ], $t->{text} =~ /\$\{([^}:]+)[^}]*\}|\$(\w+)/g } texts($dash);
    @used = grep defined $_->[0], @used;
    cmp_ok(scalar @used, '>', 100, 'are used');
    is(join(' ', map $_->[0], grep { !$is{ $_->[0] } && $_->[0] !~ $own } @used), '', 'and exist');
    is(join(' ', grep { my $name = $_; !grep { $_->[0] eq $name } @used } sort keys %is), '', 'each is used');
};

my @servers = map { PST::Server->new("fleet$_") } 1, 2;
ok($_->start, 'a server') or BAIL_OUT($_->start_text . $_->log_text) for @servers;
my $s = $servers[0];
my @p = map { PST::Probe->start($_, port => $s->port, ask => $s->port) } 'pool=request&bytes=5000001', 'pool=connection&bytes=300000';
$_->arrived('hold') for @p;
my $stopped = row_of($s->json, $p[0]->name)->{pid};

# once its books are taken and its heap was looked at
wait_for(sub { my $c = child_of($s->json, $stopped); $c->{rss_bytes} && defined $c->{heap_in_use_bytes} }, 20) or fail('its books are taken');
$s->freeze_at_rest($stopped) or fail('it comes to rest');
my $child = child_of($s->json, $stopped);

# the shipped example, at other targets and faster
my $targets = join ', ', map '"127.0.0.1:' . $_->port . '"', @servers;
my $scrape  = $text{'scrape.yml'};
ok($scrape =~ s/targets: \[.*\]/targets: [$targets]/ && $scrape =~ s/scrape_interval: \w+/scrape_interval: 500ms/
      && $scrape =~ s/# params:/params:/, 'the shipped example of a configuration');
my $prometheus = PST::Metrics::Prometheus->start(config => "global: { evaluation_interval: 500ms }\n$scrape",
    files => { 'poolstat.rules.yml' => $text{'poolstat.rules.yml'} });
ok($prometheus->{pid}, 'Prometheus starts with it') or BAIL_OUT($prometheus->log_text);

my $scraped = wait_for(sub {
    my $r = eval { $prometheus->query('count_over_time(poolstat_children[1m])') } or return 0;
    return @$r == 2 && !grep { $_->{value}[1] < 3 } @$r;
}, 20);
ok($scraped, 'it scrapes both servers') or diag(explain($prometheus->api('targets')), $prometheus->log_text);

subtest 'a frozen child' => sub {
    my @samples;
    for my $sample (@{ $prometheus->query(qq({__name__=~"poolstat_.*",instance="127.0.0.1:@{[ $s->port ]}",block="$child->{block}"})) }) {
        my %label = %{ $sample->{metric} };
        push @samples, [ delete $label{__name__}, \%label, $sample->{value}[1] ];
    }
    cmp_ok(scalar @samples, '>', 100, 'its samples are there');
    my $m = bless { families => [ { samples => \@samples } ] }, 'PST::Metrics';
    is(join("\n", $m->disagreements($child)), '', 'Prometheus agrees with JSON in every figure');
    is($m->value('poolstat_reserved_bytes'), $child->{reserved_bytes}, 'scopes add up to the child');
    is($m->value('poolstat_class_reserved_bytes'), $child->{reserved_bytes}, 'so do its classes');
};

subtest 'targets' => sub {
    my $targets = $prometheus->api('targets')->{data}{activeTargets};
    is(join(' ', map "$_->{health}$_->{lastError}", @$targets), 'up up', 'both are well');
    my $meta = $prometheus->api('metadata?metric=poolstat_held_bytes')->{data}{poolstat_held_bytes}[0];
    is("$meta->{type} $meta->{unit}", 'gauge bytes', 'it asked for OpenMetrics: that alone says units');
    is($prometheus->api('metadata?metric=poolstat_requests')->{data}{poolstat_requests}[0]{type}, 'counter', 'and it knows counters');
};

subtest 'rules at work' => sub {
    my $rules = wait_for(sub {
        my @rules = map @{ $_->{rules} }, @{ $prometheus->api('rules')->{data}{groups} };
        return @rules && !(grep { $_->{health} eq 'unknown' } @rules) && \@rules;
    }, 10) or return fail('the rules are evaluated');
    is(join(' ', map { $_->{health} eq 'ok' ? () : "$_->{name}: $_->{lastError}" } @$rules), '', 'each rule is well');
    my $sum = wait_for(sub { my $r = $prometheus->query('instance:poolstat_held_bytes:sum'); @$r == 2 && $r }, 5);
    ok($sum, 'sums of each server are recorded');
    my @firing = map { $_->{metric}{alertname} } @{ $prometheus->query('ALERTS{alertstate="firing"}') };
    is("@firing", '', 'no alert: both servers are well');
};

my %value = (job => 'httpd', instance => '127.0.0.1:' . $s->port, block => $child->{block}, __rate_interval => '1m', datasource => 'Prometheus');
$value{ $_->{name} } //= $_->{current}{value} for grep { $_->{type} eq 'textbox' } @{ $dash->{templating}{list} };

subtest 'every panel has data' => sub {
    for my $all (0, 1) {
        for (@queries) {
            my ($title, $expr) = @$_;
            $expr =~ s/\$(\w+)/$all && $1 ne '__rate_interval' ? '.*' : $value{$1} =~ s{\.}{\\\\.}gr/ge;
            my $r = eval { $prometheus->query($expr) };
            ok($r && @$r, ($all ? 'all: ' : 'one: ') . $title) or diag($@ || "nothing: $expr");
        }
    }
};

# Links are followed as Grafana fills them in: by the labels of each series, or the cells of each row.
subtest 'links lead on' => sub {
    my $variable = qr/\$\{([^}:]+)(?::(\w+))?\}|\$(\w+)/;
    my $encoded  = sub { my ($text) = @_; return PST::Metrics::Prometheus::_encoded($text) };
    # nothing, if a label is missing
    my $filled = sub {
        my ($url, $labels, $cell) = @_;
        my $lacks = 0;
        my $value = sub {
            my ($name, $format) = @_;
            my $text = $name eq '__all' ? '$__all' : $name eq '__url_time_range' ? 'from=now-6h&to=now' : $name eq '__dashboard.uid' ? $dash->{uid}
              : $name eq '__value.raw' ? $cell : $name =~ /^__(?:field\.labels|data\.fields)\.(\w+)$/ ? $labels->{$1} : $value{$name};
            $lacks ||= !defined $text;
            return $format eq 'queryparam' ? "var-$name=" . $encoded->($text // '') : $format eq 'percentencode' ? $encoded->($text // '') : $text // '';
        };
        $url =~ s/$variable/$value->($1 || $3, $2 || '')/ge;
        return $lacks ? undef : $url;
    };
    my (%led, %pages);
    for my $panel (@panels) {
        my $config = $panel->{fieldConfig} // {};
        my @links  = map [ undef, $_ ], @{ $config->{defaults}{links} // [] };
        for my $override (@{ $config->{overrides} // [] }) {
            push @links, map { my $p = $_; map [ $override->{matcher}{options}, $_ ], @{ $p->{value} } } grep { $_->{id} eq 'links' } @{ $override->{properties} };
        }
        for my $target (@links ? @{ $panel->{targets} } : ()) {
            my $expr = $target->{expr} =~ s/\$(\w+)/my $name = $1; $name =~ m{^__} ? $value{$name} : '.*'/ger;
            for my $series (@{ $prometheus->query($expr) }) {
                for (@links) {
                    my ($field, $link) = @$_;
                    my $url = $filled->($link->{url}, $series->{metric}, defined $field ? $series->{metric}{$field} : undef);
                    if (!defined $url) { fail("$panel->{title}: $link->{url} needs a label that a series lacks"); diag(explain($series->{metric})); next }
                    if ($url =~ m{^/d/$dash->{uid}\?(.*)$}) {
                        my %query = map { split /=/, $_, 2 } split /&/, $1;
                        $_ = $_ =~ s/%(..)/chr hex $1/ger for values %query;
                        my %to = map { ($_ => $query{"var-$_"} // '') } qw(instance block);
                        is($to{instance}, $series->{metric}{instance}, "$panel->{title}: to the server of the series");
                        is($to{block}, $series->{metric}{block}, "$panel->{title}: and its child") if $to{block} ne '$__all';
                        is(join(' ', grep !length($query{"var-$_"} // ''), qw(datasource job page page_path)), '', 'what was chosen stays chosen');
                        $led{ $to{block} eq '$__all' ? 'server' : 'child' }++;
                    }
                    else { $pages{$url}++ }
                }
            }
        }
    }
    cmp_ok($led{$_} // 0, '>=', 2, "some lead to a $_") for qw(server child);
    is(join(' ', sort keys %pages), join(' ', sort map 'http://127.0.0.1:' . $_->port . '/pool-status', @servers), 'others to the pages of the servers') or return;
    like($_->fetch('/pool-status')->{body}, qr{<title>Pool memory}, 'which are there') for @servers;
    my ($back) = map $_->{url}, @{ $dash->{links} };
    like($filled->($back, {}), qr{^/d/$dash->{uid}\?.*var-instance=\$__all&var-block=\$__all$}, 'and one back to all');
    local @value{qw(page page_path)} = ('https://gate.example.org/', '/memory');
    my ($page) = grep /^\$\{page/, map $_->{url}, map @{ $_->{fieldConfig}{defaults}{links} // [] }, @panels;
    is($filled->($page, { instance => 'www1:80' }), 'https://gate.example.org/www1:80/memory', 'or where the variables say');
};

PST::Server::thaw($stopped);
for (@p) { $_->finish; $_->conn->close }
$prometheus->stop;
is($_->stop, 0, 'stops') for @servers;
done_testing;
