# PoolStatCheck guard: memory of pools that is used after their end is told, by whom and whose it was, and httpd serves on.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Conn;
use PST::Server;
use Test::More;

my $top = PST::stage()->{top};
my $s = PST::Server->new('guard', conf => "LoadModule poolmisuser_module $top/mod_poolmisuser.so\nPoolStatCheck guard 1/1 all\n"
  . "<Location /misuse>\nSetHandler poolmisuser\n</Location>\n");
$s->start or BAIL_OUT('httpd does not start: ' . $s->log_text);

# One connection: a request that leaves something behind, and one that uses it.
sub misuse {
    my (@what) = @_;
    my $c = PST::Conn->new($s->{port}) or return 'no connection';
    my @said;
    for my $what (@what) {
        $c->get("/misuse/$what") or return "could not ask for $what";
        my $r = $c->response;
        push @said, $r->{status} . ' ' . ($r->{body} =~ /^done$/m ? 'done' : $r->{body});
    }
    return join ', ', @said;
}

# The rows there are, of one kind and by one function.
sub found {
    my ($kind, $by) = @_;
    return grep { $_->{kind} eq $kind && grep { ($_->{function} // '') eq $by } @{ $_->{stacks}[0]{frames} } } @{ $s->json->{misuses} };
}

sub functions { my ($row, $i) = @_; return map { $_->{function} // '?' } @{ ($row->{stacks}[$i] // {})->{frames} // [] } }

my @cases = (
    # what is asked for, the kind, by whom; whose line, and what the second and third stack have
    [ [qw(keep stale)], 'use-after-destroy', 'misuse_stale', '/misuse/keep', qr/apr_pool_destroy|ap_/, qr/ap_/ ],
    [ [qw(keep log)], 'use-after-destroy', 'misuse_log', '/misuse/keep', qr/ap_/, qr/ap_/ ],
    [ [qw(keep twice)], 'double-destroy', 'misuse_twice', '/misuse/keep', qr/ap_/, qr/ap_/ ],
    [ [qw(keep register)], 'late-register', 'misuse_register', '/misuse/keep', qr/ap_/, qr/ap_/ ],
    [ [qw(keep writev)], 'syscall-on-dead-memory', 'misuse_writev', '/misuse/keep', qr/ap_/, qr/ap_/ ],
    [ [qw(fresh)], 'late-register', 'misuse_fresh', undef, qr/^misuse_fresh_end$/, qr/^misuse_fresh$/ ],
    [ [qw(clear)], 'use-after-clear', 'misuse_cleared', undef, qr/^misuse_clear$/, qr/^misuse_clear$/ ],
);
for my $case (@cases) {
    my ($ask, $kind, $by, $line, $ended, $made) = @$case;
    my $name = "@$ask";
    is(misuse(@$ask), join(', ', ('200 done') x @$ask), "$name: served");
    my ($row) = wait_for(sub { my ($r) = found($kind, $by); $r // 0 }, 20);
    ok(ref $row, "$name: $kind by $by is told") or next;
    like($row->{of}{line} // '', qr/\Q$line\E/, "$name: whose request it was") if $line;
    like($row->{by}{line} // '', qr/\Q$ask->[-1]\E/, "$name: and by whose");
    ok((grep { $_ =~ $ended } functions($row, 1)), "$name: who ended it") or diag(join ' ', functions($row, 1));
    ok((grep { $_ =~ $made } functions($row, 2)), "$name: who made it") or diag(join ' ', functions($row, 2));
    cmp_ok($row->{age_seconds} // -1, '>', 0, "$name: how long ago");
}

my ($finding) = grep { $_->{id} =~ /^misuse-/ } @{ $s->json->{findings} };
is($finding && $finding->{blamed}, 'mod_poolmisuser.so', 'the doctor blames the module');
is($finding && $finding->{severity}, 'critical', 'and says how bad that is');
ok(wait_for(sub { my $n = () = $s->log_text =~ /PST0028: misuse, \S+, of a [^\n]*mod_poolmisuser\.so misuse_\w+/g; $n >= @cases }, 20),
    'each place is in the error log, once') or diag($s->log_text);
unlike($s->log_text, qr/exit signal/, 'and no child died of it');
is(misuse(qw(keep many)), '200 done, 200 done', 'all of a dead pool can be read');

# healthy traffic
my %before = map { ("$_->{kind} $_->{stacks}[0]{frames}[0]{place}" => 1) } @{ $s->json->{misuses} };
for (1 .. 50) {
    my $c = PST::Conn->new($s->{port});
    for (1 .. 5) { $c->get('/small.txt'); $c->response }
}
is(join(' ', grep { !/misuse_/ && !$before{$_} } map { "$_->{kind} $_->{stacks}[0]{frames}[0]{place}" } @{ $s->json->{misuses} }), '', 'healthy requests: no alarm');
my $json = $s->json;
for my $child (@{ $json->{children} }) {
    is($child->{unbalanced_bytes}, 0, "the books of $child->{pid} balance");
}
unlike($s->log_text, qr/exit signal|PST003[01]/, 'nobody crashed');

# the children are killed: what they found stays
my @killed = map { $_->{pid} } @{ $json->{children} };
kill 'KILL', @killed;
ok(wait_for(sub { my $now = eval { $s->json } or return 0; my %is = map { $_->{pid} => 1 } @{ $now->{children} }; %is && !grep { $is{$_} } @killed }, 20),
    'all children are killed');
my $report = poolstat('report', '--file', $s->board);
is($report->{status}, 0, 'poolstat report') or diag($report->{err});
like(substr($report->{out}, 0, 1000), qr/\Acritical: misuse-\S+\n.*mod_poolmisuser\.so/s, 'misuses come first');
like($report->{out}, qr/^Child\.$_\.Pid: $_$/m, "child $_, which is gone, is in it") for @killed;
$s->stop;

# an end for each allocation
$s = PST::Server->new('fence', conf => "LoadModule poolmisuser_module $top/mod_poolmisuser.so\nPoolStatCheck guard 1/1 all fence\n"
  . "<Location /misuse>\nSetHandler poolmisuser\n</Location>\n");
$s->start or BAIL_OUT('httpd does not start: ' . $s->log_text);
is(misuse(qw(overrun keep stale)), '200 done, 200 done, 200 done', 'fenced: served');
my ($over) = wait_for(sub { my ($r) = found('overrun', 'misuse_overrun'); $r // 0 }, 20);
ok(ref $over, 'one byte too far is told');
ok((grep { $_ =~ /ap_/ } functions($over, 1)), 'and whose pool it is') if ref $over;
my $fine = PST::Conn->new($s->{port});
is(join(' ', map { $fine->get('/small.txt'); $fine->response->{status} } 1 .. 10), join(' ', (200) x 10), 'healthy requests are served');
is(join(' ', map { "$_->{kind} $_->{stacks}[0]{frames}[0]{place}" } grep { !grep { ($_->{function} // '') =~ /^misuse_/ } @{ $_->{stacks}[0]{frames} } } @{ $s->json->{misuses} }), '', 'without alarm');
is(join(' ', map { $_->{unbalanced_bytes} } grep { $_->{unbalanced_bytes} } @{ $s->json->{children} }), '', 'the books balance');
$s->stop;
unlike($s->log_text, qr/exit signal/, 'nobody crashed');

# buckets that were freed
$s = PST::Server->new('freed', conf => "LoadModule poolmisuser_module $top/mod_poolmisuser.so\nPoolStatCheck guard 1/1 all buckets\n"
  . "<Location /misuse>\nSetHandler poolmisuser\n</Location>\n");
$s->start or BAIL_OUT('httpd does not start: ' . $s->log_text);
is(misuse(qw(wrapper)), '200 done', 'what was in a bucket is read after it was freed: served');
my ($freed) = wait_for(sub { my ($r) = found('bucket-after-free', 'misuse_wrapper'); $r // 0 }, 20);
ok(ref $freed, 'and told');
is_deeply([ @{ $freed // {} }{qw(what offset_bytes)} ], [ 'bucket', 5 ], 'which byte of what') if ref $freed;
ok((grep { $_ eq 'misuse_free' } functions($freed, 1)), 'who freed it') or diag(join ' ', functions($freed, 1));
like($freed->{of}{line} // '', qr{/misuse/wrapper}, 'whose request it was');
is(misuse(qw(freedtwice)), '200 done', 'the same freed twice: served');
ok(wait_for(sub { grep { grep { ($_->{function} // '') eq 'misuse_free' } @{ $_->{stacks}[1]{frames} // [] } } found('bucket-freed-twice', 'misuse_free') }, 20), 'and told');
for (1 .. 20) {
    my $c = PST::Conn->new($s->{port});
    for (1 .. 5) { $c->get('/small.txt'); $c->response }
}
is(join(' ', map { "$_->{kind} $_->{stacks}[0]{frames}[0]{place}" } grep { !grep { ($_->{function} // '') =~ /^misuse_/ } @{ $_->{stacks}[0]{frames} } } @{ $s->json->{misuses} }), '', 'healthy requests: no alarm');
is(join(' ', map { $_->{unbalanced_bytes} } grep { $_->{unbalanced_bytes} } @{ $s->json->{children} }), '', 'the books balance');
$s->stop;
unlike($s->log_text, qr/exit signal/, 'nobody crashed');
done_testing;
