# Who is to blame: one module keeps memory in the process's, the connections' and the requests' pools, through httpd's own functions,
# too; another makes pools beside it and destroys them in order. The first is named in each scope, the other never. And connections
# that grow by little each, by their sum. Some of it: make cases tries it all, with 20 looks at each.
use strict;
use warnings;
use PST;
use PST::Blame;
use PST::Cases;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'AddressSanitizer takes its time' if stage()->{san};
my $prefork = mpm() eq 'prefork';
my $bytes = { process => 1000, connection => 1000, request => 400 };
my @all = (PST::Blame->new('one innocent, PoolStatProfile 512K', profile => '512K', innocents => 1, bytes => $bytes, apart => 0.1),
    PST::Blame->new('ten innocent, PoolStatProfile 16K', profile => '16K', innocents => 10, bytes => $bytes, apart => 0.1));

# 312 bytes a request: in minutes none has grown by a node or two
my $s = PST::Server->new('blame-sum', conf => modules() . "PoolGuilty connection 312\n", limits => $prefork
    ? "StartServers 14\nMinSpareServers 1\nMaxSpareServers 20\nServerLimit 20\nMaxRequestWorkers 20\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 50\nThreadLimit 50\nMinSpareThreads 1\nMaxSpareThreads 50\nMaxRequestWorkers 50\n");
ok($s->start, 'a server for many connections') or BAIL_OUT($s->start_text . $s->log_text);
kept($s->port, $prefork ? 12 : 40, $prefork ? 0.7 : 1.5, '/small.txt');

PST::Blame::watch(\@all, 5, 120);
my ($found, $seen, $others) = (undef, 0, 0);
ok(wait_for(sub {
    my $json = eval { $s->json(timeout => 20) } or return 0;
    ($found) = grep { $_->{id} eq 'growing-connections' } @{ $json->{findings} };
    $others += grep { $_->[1] ne 'mod_poolguilty.so' } blamed_ones($json);
    $seen++ if $found && ($found->{blamed} // '') eq 'mod_poolguilty.so';
    sleep 0.5;
    return $seen >= 5;
}, 90), 'many that grow by little are one finding, with a name, in five looks');
ended();
is($others, 0, 'and nobody else');
like($found->{what}, $prefork ? qr/^The connections of \d+ children grow by .* a minute together/ : qr/^The connections of child \d+ grow by .* a minute together/,
    'in sum') if $found;
is($s->stop, 0, 'stops');
$_->judge for @all;
done_testing;
