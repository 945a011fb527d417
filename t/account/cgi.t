# CGI: the process forked from a child (mod_cgi) or from the daemon (mod_cgid) counts nothing.
use strict;
use warnings;
use PST;
use Test::More;

my $wait = '/tmp/' . token('pst-cgi');
PST::Stage::write_file($wait, '');
END { unlink $wait if $wait }

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
is(scalar(@{ $json->{children} }), scalar(keys %before), 'no child more than before')
  or diag(join ' ', map $_->{pid}, @{ $json->{children} });
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
is_deeply([ sort keys %after ], [ sort keys %before ], 'the same children');

# had a forked process counted on, its pools would have been created twice and destroyed once, or never
for my $p (sort keys %after) {
    my $c = $after{$p};
    is($c->{pools_created} - $c->{pools_destroyed} >= 0 ? 'sane' : 'more destroyed than created', 'sane', "child $p");
}
done_testing;
