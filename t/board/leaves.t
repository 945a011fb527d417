# A child that ends itself, by exit(0) in the cleanup of a request's pool, as mod_perl's child_terminate() does: an end
# like any other, and nothing of it stays open.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('leaves', conf => "PoolStatInterval 1\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

my ($lost, $ended) = do { my ($g) = @{ $s->json->{generations} }; @$g{qw(children_lost children_ended)} };
my $conn = PST::Conn->new($s->port);
$conn->get('/poolprobe?leave=1');
my $pid = json_of($conn->response->{body})->{pid};
ok($pid, 'it answers');
# it takes the threads with it that answer others
ok(wait_for(sub { my $json = eval { $s->json } or return 0; !child_of($json, $pid) }, 20), 'and is gone');
my $history;
ok(wait_for(sub { ($history) = grep { $_->{pid} == $pid } @{ json_of($s->fetch('/pool-status/history')->{body})->{histories} };
    $history && $history->{ended} }, 20), 'its history ends');
is($history->{ended_how}, 'orderly', 'in order');
my $generation;
ok(wait_for(sub { ($generation) = @{ $s->json->{generations} }; $generation->{children_ended} == $ended + 1 }, 10), 'it counts as ended, once')
  or diag("ended $generation->{children_ended}, before $ended");
is($generation->{children_lost}, $lost, 'and not as lost');
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
