# A child that starts is on the board once it can say how its figures are taken, not before: nobody calls it not instrumented.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

my $limits = mpm() eq 'prefork'
  ? "StartServers 12\nMinSpareServers 2\nMaxSpareServers 20\nServerLimit 30\nMaxRequestWorkers 30\n"
  : "StartServers 12\nServerLimit 30\nThreadsPerChild 2\nThreadLimit 2\nMinSpareThreads 1\nMaxSpareThreads 60\nMaxRequestWorkers 60\n";
my $s = PST::Server->new('starting', limits => $limits);
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

my ($looks, %false, %seen) = (0);
for my $round (1 .. 12) {
    $s->signal('USR1');
    my ($until, $most, $here) = (time + 1, time + 10, 0);
    while (time < $until || ($here < 3 && time < $most)) {     # on a busy machine a look may take its time
        my $json = eval { $s->json } or next;
        $looks++;
        $here++;
        for my $c (@{ $json->{children} }) {
            $seen{"$c->{pid} $c->{generation}"} = 1;
            $false{"$c->{pid}: $c->{level}"} = 1 if $c->{level} ne 'full';
        }
    }
}
ok($looks >= 30, "$looks looks");
ok(keys %seen > 24, keys(%seen) . ' children were seen');
is(join(', ', sort keys %false), '', 'each of them fully instrumented whenever it was');
is($s->stop, 0, 'stops');
done_testing;
