# What must never take a server down: handlers of others, blocked signals, forked processes, thousands of alarms, no room for the range.
use strict;
use warnings;
use PST;
use PST::Conn;
use PST::Server;
use Test::More;

my $top = PST::stage()->{top};
my $conf = "LoadModule poolmisuser_module $top/mod_poolmisuser.so\n<Location /misuse>\nSetHandler poolmisuser\n</Location>\nPoolStatCheck guard 1/1 all\n";

sub misuse {
    my ($s, @what) = @_;
    my $c = PST::Conn->new($s->{port}) or return 'no connection';
    return join ' ', map { my $w = $_; $c->get("/misuse/$w") ? $c->response->{status} : 0 } @what;
}

sub pids { my ($s) = @_; return join ' ', sort map { $_->{pid} } @{ $s->json->{children} } }

subtest 'signals and forks' => sub {
    my $s = PST::Server->new('rough', conf => $conf);
    $s->start or BAIL_OUT('httpd does not start: ' . $s->log_text);
    for my $round (1 .. 3) {
        is(misuse($s, qw(keep handler)), '200 200', "a handler of its own gets what is its own, and nothing else; round $round");
        is(misuse($s, qw(keep stale)), '200 200', 'and a stale string afterwards');
        is(misuse($s, qw(keep blocked)), '200 200', 'who blocks all signals lives');
        is(misuse($s, qw(keep forked)), '200 200', 'so does a forked process, and EFAULT does not hide what comes after it');
    }
    ok(wait_for(sub { grep { grep { ($_->{function} // '') eq 'misuse_blocked' } @{ $_->{stacks}[0]{frames} } } @{ $s->json->{misuses} } }, 20), 'and is told');
    is(scalar(grep { grep { ($_->{function} // '') eq 'misuse_forked' } map { @{ $_->{frames} } } $_->{stacks}[0] } @{ $s->json->{misuses} }), 0, 'the forked one is not');
    $s->stop;
    unlike($s->log_text, qr/exit signal/, 'nobody died');
};

subtest 'thousands of alarms' => sub {
    my $s = PST::Server->new('flood', conf => $conf);
    $s->start or BAIL_OUT('httpd does not start: ' . $s->log_text);
    my $bad = 0;
    for (1 .. 10) {
        my $c = PST::Conn->new($s->{port}) or next;
        for (1 .. 20) {
            for my $what (qw(keep stale many log)) { $c->get("/misuse/$what"); my $r = $c->response; $bad++ if $r->{status} != 200 }
        }
    }
    is($bad, 0, 'each was served');
    my $json = $s->json;
    my $sum = 0;
    $sum += $_->{times} for @{ $json->{misuses} };
    cmp_ok($sum, '>=', 500, "alarms: $sum");
    my $lines = () = $s->log_text =~ /PST0028/g;
    cmp_ok($lines, '<=', 10 * @{ $json->{children} }, 'and a few lines');
    is(join(' ', map { $_->{unbalanced_bytes} } grep { $_->{unbalanced_bytes} } @{ $json->{children} }), '', 'the books balance');
    $s->stop;
    unlike($s->log_text, qr/exit signal/, 'nobody died');
};

subtest 'no room' => sub {
    plan skip_all => 'the sanitizer needs terabytes of addresses' if PST::stage()->{san};
    for my $kib (1_500_000) {
        my $s = PST::Server->new("room$kib", conf => $conf, wrap => [ 'sh', '-c', "ulimit -v $kib && exec \"\$@\"", 'sh' ]);
        if (!$s->start) { diag("not even httpd starts with $kib KiB"); next }
        is(misuse($s, qw(keep stale)), '200 200', "served with $kib KiB of addresses");
        is(misuse($s, qw(keeplarge stale keeplarge stale)), '200 200 200 200', 'a stale string in a node that the range has no room for: harmless, as without the check');
        my $c = PST::Conn->new($s->{port});
        is(join(' ', map { $c->get('/small.txt'); $c->response->{status} } 1 .. 20), join(' ', (200) x 20), 'and what is healthy');
        $s->stop;
        unlike($s->log_text, qr/exit signal/, 'nobody died');
    }
};
done_testing;
