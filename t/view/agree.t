# Page, text and JSON show the same figures. Each look is a request and moves some,
# so what is compared are connections that stand still while the faces are fetched.
use strict;
use warnings;
use PST;
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
done_testing;
