# New, or again: what grows with paths that a child never served before is information, with what each of them takes; the
# same by requests for one path is a warning with an author. Pools and heap.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

my $one = mpm() eq 'prefork' ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 3\nMaxRequestWorkers 3\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 6\nThreadLimit 6\nMinSpareThreads 1\nMaxSpareThreads 6\nMaxRequestWorkers 6\n";
my %want = (new => 'heap-grows-with-new process-grows-with-new', again => 'growing-process heap-in-use-grows');
my (%server, %conn, %n);
for my $name (sort keys %want) {
    $server{$name} = PST::Server->new("novel-$name", limits => $one);
    $server{$name}->start or BAIL_OUT($server{$name}->start_text . $server{$name}->log_text);
    $conn{$name} = PST::Conn->new($server{$name}->port);
}

sub ask {
    my ($name, $path, $query) = @_;
    $conn{$name}->get("/poolprobe/$path?$query&output=2") && $conn{$name}->response->{status} == 200 or BAIL_OUT("$name: $path was not answered");
}

# In each of twelve seconds four of new ones; repeated ones all the time.
my $grows = 'pool=child&bytes=9000&heap=60&heap_bytes=1000';
my ($begun, $looked, %json, %ids) = (time, 0);
my $right = sub { return 2 == grep { ($ids{$_} // '') eq $want{$_} } keys %want };
wait_for(sub {
    if (int(time - $begun) % 12 < 4) {
        ask('new', 'page' . ++$n{new}, $grows) for 1 .. 2;
    }
    ask($_, 'known', 'pool=request&bytes=1000') for (keys %want) x 4;
    ask('again', 'known', $grows), $n{again}++ if int(time * 5) % 3 == 0;
    return 0 if time < $looked + 1;
    $looked = time;
    for my $name (keys %want) {
        $json{$name} = $server{$name}->json;
        $ids{$name}  = join ' ', sort map { $_->{id} } @{ $json{$name}{findings} };
    }
    return $right->();
}, 110);
note(sprintf 'after %.0f s', time - $begun);

for my $name (sort keys %want) {
    is($ids{$name}, $want{$name}, "$name: what is found") or diag(map { "$_->{id}: $_->{what} $_->{evidence}\n" } @{ $json{$name}{findings} });
    note("$_->{severity}: $_->{what} $_->{evidence} $_->{advice}") for @{ $json{$name}{findings} };
    is(join(' ', map { $_->{severity} } @{ $json{$name}{findings} }), $name eq 'new' ? 'info info' : 'warning warning', 'how severe it is');
}
my %of = map { $_->{id} => $_ } map { @{ $json{$_}{findings} } } keys %want;
my $pools = $of{'process-grows-with-new'}{figures} // {};
cmp_ok($pools->{gained_new_bytes} // 0, '>=', 0.9 * ($pools->{gained_bytes} // 1), 'pools: all of it came with new ones');
cmp_ok($pools->{requests_new} // 0, '>', 20, 'of which there were some');
cmp_ok($pools->{requests_again} // 0, '>', 4 * ($pools->{requests_new} // 0), 'fewer than were repeated');
is($of{'growing-process'}{figures}{gained_new_bytes} // 'none', 0, 'by one path: none of it did') if $of{'growing-process'};
like(($of{'growing-process'} // {})->{advice} // '', qr/author of mod_poolprobe/, 'with an author');
unlike(join(' ', map { $_->{advice} } @{ $json{new}{findings} }), qr/author/, 'new ones have none to blame');
my ($child) = sort { $b->{requests_new} <=> $a->{requests_new} } @{ $json{new}{children} };
cmp_ok($child->{requests_new}, '>=', $n{new}, "$n{new} pages were new to the child");
cmp_ok($child->{requests_new}, '<=', $n{new} + 20, 'and little else');

# What has ended is said to, and since when.
my $ended = time;
ok(wait_for(sub {
    ask('new', 'known', 'pool=request&bytes=1000') for 1 .. 4;
    return 0 if time < $looked + 1;
    $looked = time;
    $ids{new} = join ' ', sort map { $_->{id} } @{ $server{new}->json->{findings} };
    return $ids{new} =~ /process-grew/;
}, 60), sprintf('nothing new any more: it grew, after %.0f s', time - $ended)) or diag($ids{new});
$_->close for values %conn;
is($server{$_}->stop, 0, "$_ stops in order") for sort keys %server;
done_testing;
