# PoolStatCheck while httpd runs: switched by the page and by the command, off again, refused where nobody may; what is guarded ends well.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Conn;
use PST::Server;
use Test::More;

my $top = PST::stage()->{top};
my $conf = "LoadModule poolmisuser_module $top/mod_poolmisuser.so\n<Location /misuse>\nSetHandler poolmisuser\n</Location>\n";
# children that stay: below, those that start later are looked at
my @limits = mpm() eq 'prefork' ? (limits => "StartServers 4\nMinSpareServers 1\nMaxSpareServers 20\nServerLimit 20\nMaxRequestWorkers 20\n") : ();
my $s = PST::Server->new('check_switch', @limits, conf => "${conf}ServerName main.example\nPoolStatControl On\n");
$s->start or BAIL_OUT('httpd does not start: ' . $s->log_text);

sub post {
    my ($body, %o) = @_;
    $body = 'nonce=' . $s->json->{server}{release_nonce} . "&$body";
    return $s->fetch('/pool-status/check', method => 'POST', body => $body, timeout => 15,
        headers => [ 'Content-Length: ' . length $body, 'Accept: application/json' ]);
}

sub misuse {
    my $c = PST::Conn->new($s->{port});
    return map { $c->get("/misuse/$_"); $c->response->{status} } @_;
}

sub on { return join ',', sort keys %{ { map { ($_->{checks} => 1) } @{ $s->json->{children} } } } }

SKIP: {
    skip 'PoolStatCheck is on from the start', 1 if $ENV{CHECK};
    is(on(), 'Off', 'nothing is checked');
}
is(join(' ', misuse(qw(keep stale))), '200 200', 'a misuse that nobody sees');
my $r = post('check=guard+1/1+all');
is($r->{status}, 200, 'switched on') or diag($r->{body});
my $said = json_of($r->{body});
is($said->{check}{done}, $said->{check}{asked}, 'by all children');
is(on(), 'guard 1/1 all', 'and they say so');
is(join(' ', misuse(qw(keep stale))), '200 200', 'the same misuse');
ok(wait_for(sub { grep { $_->{kind} eq 'use-after-destroy' && grep { ($_->{function} // '') eq 'misuse_stale' } @{ $_->{stacks}[0]{frames} } } @{ $s->json->{misuses} } }, 20),
    'is found now');
is(post('check=guard+1/0')->{status}, 400, 'a bad rate is refused');
is(post('check=')->{status}, 400, 'nothing asked for');
is(post('check=Off&pid=1')->{status}, 404, 'no such child');
is($s->fetch('/pool-status/check', method => 'POST', body => 'check=Off', headers => ['Content-Length: 9'])->{status}, 403, 'without a nonce');

my ($pid) = map { $_->{pid} } @{ $s->json->{children} };
my $run = poolstat('doctor', '--check', 'Off', '-p', $pid, '-f', $s->board);
is($run->{status}, 0, 'the command switches one child') or diag($run->{err});
like($run->{out}, qr/^child $pid: done, checks: Off$/m, 'and says so');
is(join(' ', map { $_->{checks} } grep { $_->{pid} == $pid } @{ $s->json->{children} }), 'Off', 'it is off there');
$run = poolstat('doctor', '--check', 'Off', '-f', $s->board);
is($run->{status}, 0, 'and all') or diag($run->{err});
for my $round (1 .. 3) {
    is(post('check=guard+1/2+all+threads+1/10+buckets')->{status}, 200, "on, round $round");
    for (1 .. 20) { my $c = PST::Conn->new($s->{port}); for (1 .. 5) { $c->get('/small.txt'); $c->response } }
    is(post('check=Off')->{status}, 200, 'and off');
    for (1 .. 20) { my $c = PST::Conn->new($s->{port}); for (1 .. 5) { $c->get('/small.txt'); $c->response } }
}
is(join(' ', map { $_->{unbalanced_bytes} } grep { $_->{unbalanced_bytes} } @{ $s->json->{children} }), '', 'the books balance');
is(join(' ', map { $_->{kind} } grep { !grep { ($_->{function} // '') =~ /^misuse_/ } map { @{ $_->{frames} } } @{ $_->{stacks} } } @{ $s->json->{misuses} }), '', 'no alarm that is none');
$s->stop;
unlike($s->log_text, qr/exit signal/, 'nobody died');

# those that start later do as all were asked; one alone was not all; a restart brings back what is configured
my $later = PST::Server->new('check_later', conf => "PoolStatControl On\nPoolStatCheck buckets\n",
    limits => mpm() eq 'prefork' ? "StartServers 2\nMinSpareServers 2\nMaxSpareServers 3\nServerLimit 4\nMaxRequestWorkers 4\n"
        : "StartServers 2\nServerLimit 6\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 5\nMaxSpareThreads 12\nMaxRequestWorkers 8\n");
$later->start or BAIL_OUT('httpd does not start: ' . $later->log_text);
# nothing, if the child that was to answer is killed
sub of_later { my $json = eval { $later->json } or return {}; return { map { $_->{pid} => $_->{checks} } @{ $json->{children} } } }
# One is killed: what does the one check that comes?
sub replaced {
    my ($gone, @others) = @_;
    my %before = map { $_ => 1 } $gone, @others;
    my ($new, $c);
    kill 'KILL', $gone;
    wait_for(sub { $c = of_later(); ($new) = grep { !$before{$_} } keys %$c; return $new && !exists $c->{$gone} }, 30) or return 'nobody came';
    return $c->{$new};
}
ok(wait_for(sub { keys %{ of_later() } == 2 }, 20), 'two children');
is(poolstat('doctor', '--check', 'guard 1/3', '-p', (sort keys %{ of_later() })[0], '-f', $later->board)->{status}, 0, 'one is switched');
is(replaced(sort keys %{ of_later() }), 'buckets', 'who takes its place checks what is configured');
is(poolstat('doctor', '--check', 'threads 1/50', '-f', $later->board)->{status}, 0, 'all are switched');
is(replaced(sort keys %{ of_later() }), 'threads 1/50', 'who starts later does as they do');
is(poolstat('doctor', '--check', 'Off', '-f', $later->board)->{status}, 0, 'all are switched off');
is(replaced(sort keys %{ of_later() }), 'Off', 'who starts later, too');
my %old;
ok(wait_for(sub { %old = %{ of_later() } }, 20), 'who there is');
ok($later->graceful, 'a graceful restart');
ok(wait_for(sub { my $c = of_later(); keys %$c >= 2 && !grep { exists $c->{$_} } keys %old }, 30), 'new children');
is(join(' ', sort { $a cmp $b } keys %{ { map { $_ => 1 } values %{ of_later() } } }), 'buckets', 'check what is configured');
$later->stop;

my $deaf = PST::Server->new('check_deaf', conf => $conf);
$deaf->start;
is($deaf->fetch('/pool-status/check', method => 'POST', body => 'check=Off', headers => ['Content-Length: 9'])->{status}, 403, 'PoolStatControl Off: refused');
isnt(poolstat('doctor', '--check', 'guard 1/1', '-f', $deaf->board)->{status}, 0, 'by the command, too');
$deaf->stop;
done_testing;
