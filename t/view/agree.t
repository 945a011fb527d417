# Page, text, JSON, metrics and the command show the same figures. Each look is a request and moves some,
# so what is compared are connections that stand still while the faces are fetched, and a child that is stopped.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Metrics;
use PST::Server;
use Test::More;

my @p = map { PST::Probe->start("pool=$_->[0]&bytes=$_->[1]&pieces=$_->[2]") }
  [ 'request', 5_000_001, 1 ], [ 'connection', 300_000, 3 ], [ 'connsub', 70_000, 40 ], [ 'buckets', 2_000_000, 2 ];
$_->arrived('hold') for @p;

sub camel { return join '', map ucfirst, split /_/, $_[0] }

sub text_now {
    my %line;
    for (split /\n/, fetch('/pool-status?auto')->{body}) {
        /^([^:]+): (.*)$/ or do { fail("a line that is no Key: value: $_"); next };
        fail("a key twice: $1") if exists $line{$1};
        $line{$1} = $2;
    }
    return \%line;
}

my $json = json_now();
my $text = text_now();
my $page = fetch('/pool-status?rows=500')->{body};
is($text->{Schema}, $json->{schema}, 'schema');
is($json->{schema}, 1, 'which is 1');
is($json->{server}{mpm}, mpm(), 'the MPM') or diag(explain($json->{server}));
is($text->{ServerMpm}, $json->{server}{mpm}, 'in text too');
ok(exists $json->{server}{instrumented}, 'whether it is instrumented');
is($text->{TotalChildren}, scalar(@{ $json->{children} }), 'as many children') if exists $text->{TotalChildren};

for my $p (@p) {
    subtest $p->{path} =~ s/&hold.*//r => sub {
        my $row = row_of($json, $p->name) or return fail('a row in JSON');
        my $prefix = "Child.$row->{pid}.Connection.$row->{id}.";
        for my $key (grep { defined $row->{$_} && !ref $row->{$_} && !/age_seconds|^(?:pid|id)$/ } sort keys %$row) {
            is($text->{ $prefix . camel($key) }, $row->{$key}, "$key in text");
        }
        for my $key (grep { !/age_seconds/ } sort keys %{ $row->{request} }) {
            is($text->{ $prefix . 'Request' . camel($key) }, $row->{request}{$key}, "request's $key in text");
        }
        like($page, qr/\Q@{[ $p->name ]}\E/, 'its request line is on the page');
        for my $key (grep /_bytes$/, keys %$row) {
            my $n = $row->{$key};
            my $grouped = reverse join ',', unpack '(A3)*', reverse $n;
            like($page, qr/title="(?:[^"]*[^\d,])?(?:$n|$grouped)(?![\d,])/, "$key, $n bytes, stands on the page in exact bytes") if $n;
        }
    };
}

# the command, which asks no worker
subtest 'command' => sub {
    my $parent = $json->{server}{parent_pid};
    my $said  = poolstat_json('--pid', $parent) or return fail('it speaks JSON');
    my $table = poolstat('--pid', $parent, '--limit', 500)->{out};
    my $lines = poolstat('text', '--pid', $parent, '--limit', 500)->{out};
    for my $p (@p) {
        my ($row, $is) = map { my %r = %{ row_of($_, $p->name) // {} }; $r{request} = { %{ $r{request} // {} } };
            delete @r{qw(age_seconds verdict)}; delete $r{request}{age_seconds}; \%r } $json, $said;
        is_deeply($is, $row, 'the same connection, to the last figure: ' . $p->{path} =~ s/&.*//r);
        like($lines, qr/^Child\.$row->{pid}\.Connection\.$row->{id}\.ReservedBytes: $row->{reserved_bytes}$/m, 'in its text');
        my ($of) = $table =~ /^ *$row->{pid} +$row->{id} .*\Q@{[ $p->name ]}\E/m ? $& : '';
        my ($page_says) = $page =~ /title="(?:[^"]*[^\d,])?@{[ scalar reverse join ',', unpack '(A3)*', reverse $row->{reserved_bytes} ]}(?![\d,])[^>]*>([\d.]+ \w+)</;
        ok($of, 'in its table');
        like($of, qr/\Q$page_says\E/, "as $page_says, as on the page") if $page_says;
    }
};

# what the issue promises by name
for my $c (@{ $json->{children} }) {
    my @missing = grep { !exists $c->{$_} } qw(pid generation instrumented reserved_bytes process connections);
    push @missing, grep { !exists $c->{process}{$_} } qw(pools reserved_bytes);
    for my $r (@{ $c->{connections} }) {
        push @missing, grep { !exists $r->{$_} } qw(id kind state client vhost protocol age_seconds requests pools reserved_bytes
            used_bytes peak_bytes bucket_bytes retained_bytes request);
        push @missing, map "request.$_", grep { $r->{request} && !exists $r->{request}{$_} } qw(line handler age_seconds pools
            reserved_bytes peak_bytes);
    }
    is("@missing", '', "child $c->{pid} has every key");
}

# sums, in one and the same snapshot
my %sum = map { $_ => 0 } qw(reserved_bytes pools);
for my $c (@{ $json->{children} }) {
    $sum{$_} += $c->{$_} for grep defined $c->{$_}, keys %sum;
}
is($json->{total}{$_}, $sum{$_}, "total $_ is the children's sum") for sort keys %sum;
is($json->{server}{instrumented} ? 'yes' : 'no', 'yes', 'instrumented in full') or diag(explain([ map $_->{reason}, @{ $json->{children} } ]));
$_->finish for @p;

# a stopped child writes nothing: another one answers, and every figure of the first must be the same on every face
subtest 'one frozen child on all faces' => sub {
    my $s = PST::Server->new('agree');
    ok($s->start, 'a server of its own') or BAIL_OUT($s->start_text . $s->log_text);
    my @held = map { PST::Probe->start($_, port => $s->port, ask => $s->port) } 'pool=request&bytes=5000001', 'pool=buckets&bytes=2000000';
    $_->arrived('hold') for @held;
    my $pid = row_of($s->json, $held[0]->name)->{pid};
    wait_for(sub { child_of($s->json, $pid)->{rss_bytes} }, 10);
    PST::Server::freeze($pid);

    my $child   = child_of($s->json, $pid) or return fail('it is in JSON');
    my %text    = $s->fetch("/pool-status?auto&pid=$pid")->{body} =~ /^Child\.$pid\.([^:]+): (.*)$/mg;
    my $page    = $s->fetch("/pool-status?rows=500&pid=$pid")->{body};
    my @figures = grep { !ref $child->{$_} && defined $child->{$_} && !/age_seconds|^pid$/ } sort keys %$child;
    cmp_ok(scalar @figures, '>', 40, 'it has figures');
    my $as_text = sub {
        my ($key, $value) = @_;
        return JSON::PP::is_bool($value) ? $value ? 'true' : 'false' : $key =~ /_(?:time|cost|seconds)$/ ? sprintf '%.6f', $value : $value;
    };
    is(join("\n", map "$_ $text{ camel($_) }", @figures), join("\n", map "$_ " . $as_text->($_, $child->{$_}), @figures), 'text agrees with JSON');
    for my $key (qw(held_bytes reserved_bytes retained_bytes bucket_bytes)) {
        my $grouped = reverse join ',', unpack '(A3)*', reverse $child->{$key};
        like($page, qr/title="(?:[^"]*[^\d,])?$grouped bytes/, "$key stands on the page") if $child->{$key};
    }
    for my $open (0, 1) {
        my $m = PST::Metrics->fetch(open => $open, port => $s->port, query => 'classes=slot');
        is(join("\n", $m->disagreements($child)), '', ($open ? 'OpenMetrics' : 'metrics') . ' agree with JSON');
    }
    my $parent = $s->json->{server}{parent_pid};
    my $from_file = child_of(poolstat_json('--pid', $parent), $pid);
    my $still = sub { my ($c) = @_; my %c = map { $_ => $c->{$_} } grep !ref $c->{$_} && !/age_seconds/, keys %$c; return \%c };
    is_deeply($still->($from_file), $still->($child), "the command's JSON agrees");
    my $r = poolstat('metrics', '--pid', $parent);
    my @wrong = eval { grep !/classes/, PST::Metrics->parse($r->{out})->disagreements($child) };
    is(join("\n", @wrong, $@), '', "the command's metrics agree");

    PST::Server::thaw($pid);
    for (@held) { $_->finish; $_->conn->close }
    is($s->stop, 0, 'stops');
};
done_testing;
