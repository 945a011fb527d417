# mod_proxy: its own connections are of kind "backend", the two ends are clients.
use strict;
use warnings;
use PST;
use Test::More;

my $p = PST::Probe->start('pool=request&bytes=15000000', path => '/proxied/poolprobe', hold => ['hold']);
my $report = $p->arrived('hold');
my $json = json_now();
my @rows = row_of($json, $p->name);
is(scalar @rows, 2, 'two requests: to the proxy, and behind it');
my ($front) = grep { $_->{request}{line} =~ m{^GET /proxied/} } @rows;
my ($behind) = grep { $_->{request}{line} =~ m{^GET /poolprobe} } @rows;
ok($front && $behind, 'told apart by their lines');
is($_->{kind}, 'client', 'of kind client') for grep defined, $front, $behind;
is($behind->{request}{reserved_bytes}, $report->{request_reserved}, 'the one behind holds the bytes');
cmp_ok($front->{request}{reserved_bytes}, '<', 15000000, 'the one in front does not');
my @backend = grep { $_->{kind} eq 'backend' } rows($json);
cmp_ok(scalar @backend, '>=', 1, 'a row of kind backend');
is(scalar(grep { $_->{pid} == $front->{pid} } @backend) > 0, 1, 'in the child that proxies');
cmp_ok($_->{reserved_bytes}, '>=', 8192, 'with memory of its own') for @backend;
is($p->finish->{status}, 200, 'answered');

# many of them, and what is left when all is quiet
for my $n (1 .. 50) {
    my $r = fetch('/proxied/small.txt');
    is($r->{status}, 200, "proxied $n") or last;
}
my @wrong;
wait_for(sub { @wrong = books_balance(json_now()); !@wrong }, 10);
is("@wrong", '', 'the books balance');
my @left = grep { $_->{kind} eq 'backend' } rows(json_now());
is(scalar(grep { serves($_) } @left), 0, 'no backend row has a request');
cmp_ok(scalar @left, '<=', 50, 'backend rows do not pile up: ' . @left);
done_testing;
