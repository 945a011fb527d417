# CGI: the process forked from a child (mod_cgi) or from the daemon (mod_cgid) counts nothing.
use strict;
use warnings;
use PST;
use Test::More;

my $wait = '/tmp/' . token('pst-cgi');
PST::Stage::write_file($wait, '');
END { unlink $wait if $wait }

# httpd may start a child meanwhile; a process that is no child of httpd's has no place on the board
sub strangers {
    my ($json) = @_;
    my @strange = grep {
        my $stat = eval { PST::Stage::read_file("/proc/$_->{pid}/stat") } // '';
        $stat !~ /^\d+ \(.*\) \S $json->{server}{parent_pid} /s;
    } @{ $json->{children} };
    is(join(' ', map $_->{pid}, @strange), '', "all on the board are httpd's children");
}

my %before = map { $_->{pid} => $_ } @{ json_now()->{children} };
my $name = token('cgi');
my $conn = PST::Conn->new(port);
$conn->get("/cgi-bin/alloc.pl?wait=$wait&n=$name");
my $text;
ok(wait_for(sub { $text = $conn->some(1, 1); $text =~ /pid (\d+)/ }, 15), 'the CGI runs') or diag($text);
my ($pid) = $text =~ /pid (\d+) parent/;

my $json = json_now();
my @rows = row_of($json, $name);
is(scalar @rows, 1, 'one row for its request');
is($rows[0]{request}{handler}, 'cgi-script', 'handled by cgi-script');
ok(!child_of($json, $pid), 'its process is no child of the board');
strangers($json);
unlink $wait;
like($conn->response->{body}, qr/done/, 'it ends');

for my $n (1 .. 30) {
    my $r = fetch('/cgi-bin/alloc.pl');
    is($r->{status}, 200, "CGI $n") or last;
}
my @wrong;
wait_for(sub { @wrong = books_balance(json_now()); !@wrong }, 10);
is("@wrong", '', 'the books balance after 31 forks');
my %after = map { $_->{pid} => $_ } @{ json_now()->{children} };
strangers(json_now());

# had a forked process counted on, its pools would have been created twice and destroyed once, or never
for my $p (sort keys %after) {
    my $c = $after{$p};
    is($c->{pools_created} - $c->{pools_destroyed} >= 0 ? 'sane' : 'more destroyed than created', 'sane', "child $p");
}

for my $pool (qw(request connsub unmanaged)) {
    my $p = PST::Probe->start("fork=1&pool=$pool&bytes=10000000&pieces=3", hold => [qw(hold0 hold)]);
    $p->arrived('hold0');
    my $ja = json_now();
    my $ra = row_of($ja, $p->name);
    $p->release('hold0');
    $p->arrived('hold');
    my $jb = json_now();
    my $rb = row_of($jb, $p->name);
    my ($ca, $cb) = map { child_of($_, $ra->{pid}) } $ja, $jb;
    is($rb->{reserved_bytes}, $ra->{reserved_bytes}, "forked, $pool: the connection has not grown");
    is($rb->{request}{reserved_bytes}, $ra->{request}{reserved_bytes}, 'nor the request');
    cmp_ok($cb->{reserved_bytes}, '<', $ca->{reserved_bytes} + 10000000, 'nor the child');
    cmp_ok($cb->{held_bytes}, '<', $ca->{held_bytes} + 10000000, 'nor what it holds');
    is($p->finish->{status}, 200, 'answered');
}
wait_for(sub { @wrong = books_balance(json_now()); !@wrong }, 10);
is("@wrong", '', 'the books balance');
done_testing;
