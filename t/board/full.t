# A disk without room for histories: pools, books and all else are there, no point is recorded, httpd serves.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
plan skip_all => 'mounts a small disk: for root' if $> != 0;
my $disk = stage()->{top} . '/t/logs/small-disk';
mkdir $disk;
plan skip_all => 'a small disk cannot be mounted here' if system("mount -t tmpfs -o size=64m,mode=755 tmpfs '$disk' 2>/dev/null") != 0;
END { system("umount '$disk'") if $disk && -e "$disk/." }

my $s = PST::Server->new('full', conf => "PoolStatFile \"$disk/board\"\nPoolStatHistory Off\n");
ok($s->start, 'starts on a disk with room') or BAIL_OUT($s->log_text);
my $needs = (stat "$disk/board")[12] * 512;
is($s->stop, 0, 'stops');
unlink "$disk/board";

# room for all but a history
is(system("mount -o remount,size=" . ($needs + 65536) . " '$disk'"), 0, 'the disk is smaller now');
$s->write_conf(conf => "PoolStatFile \"$disk/board\"\n");
ok($s->start, 'starts on a full one') or diag($s->log_text);
like($s->log_text, qr/PST0009: there is no room for this child's history/, 'is told');
my $books = sub { my $json = $s->json; @{ $json->{children} } && !grep { !$_->{rss_bytes} || !$_->{heap_time} } @{ $json->{children} } };
ok(wait_for($books, 10), 'the books are taken all the same') or diag(JSON::PP->new->canonical->encode($s->json->{children}[0]));
my @wrong;
ok(wait_for(sub { @wrong = books_balance($s->json); !@wrong }, 5), 'and balance') or diag(@wrong);
is_deeply([ map { $_->{points} // 0 } @{ json_of($s->fetch('/pool-status/history')->{body})->{histories} } ], [], 'no history is shown');
is($s->fetch('/pool-status')->{status}, 200, 'the page');
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
