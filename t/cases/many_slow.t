# A hundred kept connections of one request each two seconds, on each of which 312 bytes a request stay: none of them comes to
# anything, their sum does. Named within two minutes, in 20 of 20 looks, and nobody else.
use strict;
use warnings;
use PST;
use PST::Cases;
use PST::Server;
use Test::More;

my $prefork = mpm() eq 'prefork';
my $s = PST::Server->new('case-slow', conf => modules() . "PoolGuilty connection 312\nPoolInnocents 3\n", limits => $prefork
    ? "StartServers 100\nMinSpareServers 4\nMaxSpareServers 110\nServerLimit 120\nMaxRequestWorkers 120\n"
    : "StartServers 2\nServerLimit 6\nThreadsPerChild 25\nThreadLimit 25\nMinSpareThreads 25\nMaxSpareThreads 150\nMaxRequestWorkers 150\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
kept($s->port, 100, 2, '/small.txt');
my ($first, $named, $lost, %wrong, $last) = (undef, 0, 0);
looks($s, 180, sub {
    my ($json, $after) = @_;
    $last = $json;
    my ($found) = grep { $_->{id} eq 'growing-connections' } @{ $json->{findings} };
    my $right = $found && ($found->{blamed} // '') eq 'mod_poolguilty.so';
    $wrong{"@$_"}++ for grep { $_->[1] ne 'mod_poolguilty.so' } blamed_ones($json);
    $first //= $after if $right;
    $right ? $named++ : $first && $lost++;
    return $named >= 20;
});
cmp_ok($first // 999, '<', 120, 'named within two minutes: after ' . sprintf('%.0f s', $first // -1));
is($named, 20, 'in 20 looks') or diag(said($last));
is($lost, 0, 'and in all since the first');
is(join(' ', %wrong), '', 'and nobody else');
note(said($last)) if $last;
ended();
is($s->stop, 0, 'stops');
done_testing;
