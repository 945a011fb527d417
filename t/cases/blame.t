# Who is to blame, all of it: one module keeps memory in the process's, the connections' and the requests' pools, through httpd's own
# functions, too; another makes pools beside it, one, three or ten in each scope, and destroys them in order. Finely and coarsely
# sampled, slowly and fast: the first is named in each scope, in 20 of 20 looks, the other never; and of call sites the same.
use strict;
use warnings;
use PST;
use PST::Blame;
use PST::Cases;
use PST::Server;
use Test::More;

my %bytes = (512 => { process => 1000, connection => 700, request => 400 }, 16 => { process => 300, connection => 1500, request => 900 });
my @all;
for my $profile (512, 16) {
    for my $innocents (1, 3, 10) {
        push @all, PST::Blame->new("$innocents innocent, PoolStatProfile ${profile}K", profile => "${profile}K", innocents => $innocents,
            bytes => $bytes{$profile}, apart => $innocents == 3 ? 0.3 : 0.08);
    }
}
PST::Blame::watch(\@all, 20, 240);
$_->judge for @all;
done_testing;
