# The example of docs/: a module that asks for usages and names a class, with us and without us.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('api');
my $own = "LoadModule example_poolstat_module $s->{stage}{top}/mod_example_poolstat.so\n<Location /example>\nSetHandler example-poolstat\n</Location>\n";

# of.figure => value
sub ask {
    my (%o) = @_;
    my $r = $s->fetch('/example' . ($o{bytes} ? "?bytes=$o{bytes}" : ''), %o);
    my %f = $r->{body} =~ /^([\w.]+): (.*)$/mg;
    return wantarray ? ($r->{body}, \%f) : \%f;
}

$s->write_conf(conf => "$own<VirtualHost *:*>\nServerName a-name-that-is-longer-than-all-tags.example\n</VirtualHost>\n");
$s->start or BAIL_OUT('no server: ' . $s->start_text . $s->log_text);
my $BYTES = 10 * 1024 * 1024;

subtest 'usage' => sub {
    my $f = ask(bytes => $BYTES);
    is($f->{'after.reserved_bytes'} - $f->{'before.reserved_bytes'}, node_size($BYTES) + 8192, 'grew by a pool and its node')
      or diag(explain($f));
    is($f->{'after.pools'} - $f->{'before.pools'}, 1, 'one pool more');
    is($f->{'after.growths'} - $f->{'before.growths'}, 1, 'which grew once');
    is($f->{"$_.used_bytes"} + $f->{"$_.slack_bytes"}, $f->{"$_.reserved_bytes"}, "$_: used and slack are all") for qw(before after connection);
    is($f->{'after.used_bytes'} - $f->{'before.used_bytes'} >= $BYTES ? 'counts' : 'lacks', 'counts', 'used counts them');
    is($f->{"after.$_"}, 'unknown', "a request has no $_") for qw(bucket_bytes retained_bytes requests);
    cmp_ok($f->{'connection.reserved_bytes'}, '>', $f->{'after.reserved_bytes'}, 'the connection has more than its request');
    is($f->{'connection.requests'}, 0, 'none before');
    like($f->{"connection.$_"}, qr/^\d+$/, "$_ of the connection") for qw(bucket_bytes retained_bytes);
};

subtest 'classes' => sub {
    my $f = ask();
    like($f->{class}, qr/^example of a-name-that-is-longe(?: by \S+)?$/, 'named at run time, cut');
    my ($name) = $f->{class} =~ /^(.*?)(?: by|$)/;
    my ($class) = grep { ($_->{tag} // '') eq $name } map @{ $_->{classes} }, @{ $s->json->{children} };
    ok($class, 'a class of that name is on the board') or diag(explain([ map $_->{tag}, map @{ $_->{classes} }, @{ $s->json->{children} } ]));
    ok(wait_for(sub { my ($c) = grep { ($_->{tag} // '') eq $name } map @{ $_->{classes} }, @{ $s->json->{children} }; $c && $c->{pools} == 0 }, 5), 'of which no pool is left');
};

subtest 'streams' => sub {
    plan skip_all => 'mod_http2 does not work with prefork' if mpm() eq 'prefork';
    plan skip_all => lacks('nghttp') if lacks('nghttp');
    $s->write_conf(conf => "${own}Protocols h2c http/1.1\n");
    ok($s->graceful, 'restarted');
    my $text = '';
    ok(wait_for(sub { $text = `nghttp 'http://127.0.0.1:@{[ $s->port ]}/example?bytes=$BYTES' 2>/dev/null`; $text =~ /class:/ }, 10), 'answered');
    my %f = $text =~ /^([\w.]+): (.*)$/mg;
    is($f{'after.reserved_bytes'} - $f{'before.reserved_bytes'}, node_size($BYTES) + 8192, 'grew by a pool and its node');
};

subtest 'not instrumented, no board, no mod_poolstat' => sub {
    $s->stop;
    $s->write_conf(conf => "${own}PoolStatInstrument Off\n");
    ok($s->start, 'without instrumentation');
    my $f = ask(bytes => $BYTES);
    is($f->{'after.reserved_bytes'} - $f->{'before.reserved_bytes'}, node_size($BYTES) + 8192, 'what is walked is exact');
    is($f->{"after.$_"}, 'unknown', "$_ is not known") for qw(growths);
    is($f->{class}, '', 'there are no classes');
    $s->stop;
    $s->write_conf(conf => "${own}PoolStatFile no/such/folder/board\n");
    ok($s->start, 'without a board');
    is((ask())[0], "mod_poolstat does not say\n", 'it is told so');
    $s->stop;
    $s->write_conf(conf => $own);
    PST::Stage::write_file($s->conf, PST::Stage::read_file($s->conf) =~ s/^LoadModule poolstat_module.*\n//mr);
    ok($s->start, 'without mod_poolstat');
    is((ask())[0], "mod_poolstat does not say\n", 'it serves all the same');
};
is($s->stop, 0, 'the server ends');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
