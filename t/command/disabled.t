# The module is disabled while the server runs (a2dismod, and a reload): what the board has is what was, and no figure of the
# server that runs. poolstat says so, and does not end as if all were well.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

my $s = PST::Server->new('command-disabled');
ok($s->start, 'a server') or BAIL_OUT($s->log_text);
my $parent = $s->pid;
my $with = PST::Stage::read_file($s->conf);
my $r = poolstat('--pid', $parent);
is($r->{status}, 0, 'it has a table');
my $children = sub { my %is = map { $_ => 1 } map $_->{pid}, @{ $s->json->{children} }; return keys %is };
my @old = $children->();

my $without = $with =~ s/^LoadModule poolstat_module.*\n//mr =~ s{<Location /pool-status>.*?</Location>\n}{}sr;
PST::Stage::write_file($s->conf, $without);
ok($s->graceful, 'a reload without the module');
ok(wait_for(sub { !grep { -d "/proc/$_" } @old }, 30), 'the old children have left');
is($s->fetch('/pool-status')->{status}, 404, 'the page has gone');
my $says = qr{\Apoolstat: the server $parent runs without mod_poolstat: no child of it has the board };
for my $what ([], ['json'], ['doctor']) {
    $r = poolstat(@$what, '--pid', $parent);
    is($r->{status}, 3, "poolstat @$what: no board of a server that runs with it");
    like($r->{err}, $says, 'which is said');
    is($r->{out}, '', 'and no figure is shown');
}
$r = poolstat('--file', $s->board);
is($r->{status}, 0, 'what was is there for who asks for it');
like($r->{err}, $says, 'and called so');
like($r->{out}, qr/^ *$_ .* gone$/m, "child $_ is gone") for @old;

PST::Stage::write_file($s->conf, $with);
ok($s->graceful, 'a reload with it');
ok(wait_for(sub { poolstat('--pid', $parent)->{status} == 0 }, 20), 'brings it back');
is(poolstat('--pid', $parent)->{err}, '', 'without a word');
is($s->stop, 0, 'stops');
done_testing;
