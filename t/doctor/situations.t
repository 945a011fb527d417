# The four situations that look alike from outside, a child that got large, and are told apart by their findings:
# a leak in a pool; memory freed by pools and kept in free lists; freed to malloc and kept by the heap; in use outside
# of pools. And a healthy server, under the same traffic but for that, has none.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

# One child that serves, so that it is known who has what; a thread for the observer beside.
my $one = mpm() eq 'prefork' ? "StartServers 3\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 3\nMaxRequestWorkers 3\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 6\nThreadLimit 6\nMinSpareThreads 1\nMaxSpareThreads 6\nMaxRequestWorkers 6\n";

my %situation = (
    healthy => {},
    pool    => { found => 'growing-process', each => 'pool=child&bytes=400' },
    lists   => { found => 'retained-dominates', conf => "MaxMemFree 0\n", once => 'pool=request&bytes=1000000&pieces=40' },
    heap    => { found => 'heap-free-dominates', once => 'heap=60000&heap_bytes=1000&heap_free=pinned' },
    malloc  => { found => 'heap-in-use-grows', each => 'heap=5&heap_bytes=1000' },
);

for my $name (sort keys %situation) {
    my $it = $situation{$name};
    $it->{server} = PST::Server->new("doctor-$name", limits => $one, conf => $it->{conf} // '');
    ok($it->{server}->start, "a server: $name") or BAIL_OUT($it->{server}->start_text . $it->{server}->log_text);
    $it->{conn} = PST::Conn->new($it->{server}->port);
}

sub ask {
    my ($it, $query) = @_;
    $it->{conn}->get("/poolprobe?$query&output=2") or return 0;
    return $it->{conn}->response->{status} == 200;
}
sub ids { return join ' ', sort map { $_->{id} } @{ $_[0]{findings} } }

# Ordinary traffic everywhere: small requests, some larger.
for my $it (values %situation) {
    ask($it, "pool=request&bytes=$_") for (1000) x 150, 30000, 200000;
    ask($it, $it->{once}) or fail("$it->{once} was not answered") if $it->{once};
}

my $begun = time;
my %left = %situation;
delete $left{healthy};
my (%early, %json);
wait_for(sub {
    for my $name (keys %situation) {
        my $it = $situation{$name};
        ask($it, $it->{each} // 'pool=request&bytes=500') for 1 .. 12;
    }
    return 0 if int(time) == ($early{looked} // 0);
    $early{looked} = int time;
    for my $name (keys %left) {
        my $json = $json{$name} = $left{$name}{server}->json;
        my $ids = ids($json);
        $early{$name} = $ids if $ids && time - $begun < 15;
        delete $left{$name} if $ids =~ /\b\Q$left{$name}{found}\E\b/;
    }
    return !%left && time - $begun > 26;
}, 50);
note(sprintf 'after %.0f s', time - $begun);

for my $name (sort keys %situation) {
    my $it = $situation{$name};
    my $s = $it->{server};
    subtest $name => sub {
        my $json = $s->json;
        is(ids($json), $it->{found} // '', $it->{found} ? "$it->{found}, and nothing else" : 'no finding')
          or diag(map { "$_->{id}: $_->{what} $_->{evidence}\n" } @{ $json->{findings} });
        is($early{$name} // '', '', 'not before there was a record to judge by');
        my $page = $s->fetch('/pool-status')->{body};
        my %text = map { /^(\S+): (.*)/ ? ($1, $2) : () } split /\n/, $s->fetch('/pool-status?auto')->{body};
        if (!$it->{found}) {
            like($page, qr{<p class="healthy" id="doctor"><b>No findings\.</b>}, 'the page is calm');
            ok(!grep(/^Finding\./, keys %text), 'the text has none');
            return;
        }
        my ($f) = grep { $_->{id} eq $it->{found} } @{ $json->{findings} };
        ok($f, 'the finding') or return;
        my ($child) = sort { $b->{held_bytes} <=> $a->{held_bytes} } @{ $json->{children} };
        ok((grep { $_->{pid} == $f->{pid} } @{ $json->{children} }), 'names a child');
        ok(length $f->{what} && length $f->{evidence} && length $f->{advice}, 'what, by what, and what to do');
        like($page, qr{<section class="doctor".*<code>\Q$it->{found}\E</code>}s, 'the page has it');
        my ($n) = map { /^Finding\.(\d+)\.Id$/ && $text{$_} eq $it->{found} ? $1 : () } keys %text;
        ok($n, 'the text has it') or return;
        is($text{"Finding.$n.$_->[0]"}, $f->{ $_->[1] }, "$_->[1] is the same in text") for [ 'Severity', 'severity' ], [ 'Pid', 'pid' ];
        note("$f->{severity} $f->{id}: $f->{what} $f->{evidence} $f->{advice}");
    };
}

my %at = map { my $n = $_; my ($f) = @{ $situation{$n}{server}->json->{findings} }; ($n => $f ? $f->{figures} : {}) } keys %situation;
cmp_ok($at{lists}{retained_bytes} // 0, '>', 40e6, 'lists: what 40 pieces of a million bytes left behind');
cmp_ok($at{heap}{heap_free_bytes} // 0, '>', 50e6, 'heap: what 60,000 blocks left behind');
cmp_ok($at{malloc}{bytes_per_request} // 0, '>', 4000, 'malloc: 5,000 bytes a request');
cmp_ok($at{malloc}{bytes_per_request} // 0, '<', 6500, 'and a little');
cmp_ok($at{pool}{bytes_per_request} // 0, '>', 380, 'pool: 400 bytes a request');
cmp_ok($at{pool}{bytes_per_request} // 0, '<', 450, 'and a little');

is($situation{$_}{server}->stop, 0, "$_ stops in order") for sort keys %situation;
done_testing;
