# Generations: what the board keeps of each across graceful restarts, on all faces; and a module that leaks
# a little each time the configuration is read shows, to the byte where pools are concerned.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('generations');
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

sub reload {
    my ($n) = @_;
    $s->graceful or return 0;
    return wait_for(sub {
        my %g = map { $_->{generation} => 1 } @{ $s->json->{children} };
        keys %g == 1 && $g{$n};
    }, 20);
}
sub generation { my ($json, $n) = @_; return (grep { $_->{generation} == $n } @{ $json->{generations} })[0] }

my $n = 0;
subtest 'a healthy server' => sub {
    ok(reload(++$n), "restart $n") for 1 .. 4;
    my $json;
    # worker replaces children as they end, and one is enough for its MinSpareThreads
    my $least = mpm() eq 'worker' ? 1 : 2;
    ok(wait_for(sub { $json = $s->json; generation($json, 4)->{children} >= $least }, 15), 'it has its children');
    is(join(' ', map { $_->{generation} } @{ $json->{generations} }), '0 1 2 3 4', 'each is recorded');
    my ($old, $new) = map { generation($json, $_) } 3, 4;
    cmp_ok($new->{ended}, '==', 0, 'the current one goes on');
    cmp_ok(abs($old->{ended} - $new->{started}), '<', 0.001, 'the one before ended as it began');
    is($old->{children_ended}, $old->{children}, 'those of the one before ended');
    is($old->{children_lost}, 0, 'none was lost');
    cmp_ok($new->{parent_bytes}, '>', $new->{config_bytes}, 'the parent has more than the configuration');
    cmp_ok($new->{parent_rss_bytes}, '>', $new->{parent_private_bytes}, 'some of it is shared');
    for my $what (qw(process private rss)) {
        for my $when (qw(start end)) {
            my $g = $when eq 'start' ? $new : $old;
            my ($mean, $max) = map { $g->{"${what}_${when}_${_}_bytes"} } qw(mean max);
            ok($mean > 0 && $mean <= $max, "$what at $when: $mean on average, $max at most");
        }
    }
    cmp_ok($new->{rss_start_mean_bytes}, '>', $new->{private_start_mean_bytes}, 'RSS of children: what they share, too');
    is($old->{children_measured}, $old->{children_ended}, 'all that ended were measured');
    is($new->{parent_rss_end_bytes}, 0, 'the parent goes on');
    cmp_ok($old->{parent_rss_end_bytes}, '>', 1e6, "the parent's RSS as a generation ended: $old->{parent_rss_end_bytes}");
    cmp_ok(abs($old->{parent_rss_end_bytes} - $new->{parent_rss_bytes}), '<', 4e6, 'not far from what it was when the next began');
    cmp_ok($new->{process_start_mean_bytes}, '>', $new->{config_bytes}, 'what a child has from its parent is in its process scope');
    is($json->{generation_growth}{config_bytes}{bytes_per_reload}, 0, 'the configuration does not grow');
    is($json->{generation_growth}{parent_bytes}{bytes_per_reload}, 0, 'nor do the parent\'s pools');
    cmp_ok(abs($json->{generation_growth}{lasting_bytes}{bytes_per_reload}), '<', 64, 'nor what is used of those that outlive it')
        or diag(explain($json->{generation_growth}{lasting_bytes}));
    cmp_ok($json->{generation_growth}{parent_private_bytes}{bytes_per_reload}, '<', 65536, 'nor does what else it has');
    is($json->{generation_growth}{parent_bytes}{reloads}, 3, 'the first is left out');
    cmp_ok($json->{server}{memory_limit_bytes}, '>', 1e8, 'the memory there is');
    is($json->{server}{children_limit}, mpm() eq 'prefork' ? 10 : 2, 'the children that may be');
};

is(json_of($s->fetch('/poolprobe?hooks=mod_poolstat')->{body})->{hooks}, 3, "no hook of others is ours once the configuration is read");
cmp_ok(json_of($s->fetch('/poolprobe?hooks=mod_')->{body})->{hooks}, '>', 8, 'they are all there');

sub findings { return join ' ', map { $_->{id} } @{ $s->json->{findings} } }
is(findings(), '', 'no finding on a healthy server');

subtest 'a child that is killed' => sub {
    my $before = generation($s->json, $n);
    # one that has 50 MB of its own, which the others have not; known once its books were taken
    my ($pid, $child) = (json_of($s->fetch('/poolprobe?pool=child&bytes=1000000&pieces=50&touch=1')->{body})->{pid});
    ok(wait_for(sub { ($child) = grep { $_->{pid} == $pid } @{ $s->json->{children} }; $child->{rss_bytes} > 50e6 && $child->{maps_time} }, 15),
        'a large child');
    kill KILL => $pid;
    ok(wait_for(sub { !kill 0, $pid }, 20), 'killed');    # until then it may still take a connection, which goes with it
    ok(wait_for(sub { generation($s->json, $n)->{children_lost} == $before->{children_lost} + 1 }, 15), 'counts as lost');
    my $after = generation($s->json, $n);
    is($after->{children_measured}, $before->{children_measured} + 1, 'but is measured');
    cmp_ok(abs($after->{rss_end_max_bytes} - $child->{rss_bytes}), '<', 1e6, 'by what its books had last');
    cmp_ok($after->{process_end_max_bytes}, '>=', 50e6, 'its process scope too');
};

subtest '100,000 bytes of the process\'s pool per reload' => sub {
    $s->write_conf(conf => "PoolProbeLeak pool 100000\n");
    # the first two take nodes as the configuration before left them, larger ones for smaller ones, too
    my $first = $n + 3;
    ok(reload(++$n), "restart $n") for 1 .. 6;
    my $json = $s->json;
    my @parent = map { generation($json, $_)->{parent_bytes} } $first .. $n;
    is(join(' ', map { $parent[$_] - $parent[ $_ - 1 ] } 1 .. $#parent), join(' ', (102400) x $#parent), 'node by node');
    my @child = map { generation($json, $_)->{process_start_first_bytes} } $first .. $n;
    cmp_ok(abs($child[-1] - $child[0] - 102400 * $#child), '<=', 2 * 8192, 'each child has them too');
    is(findings(), 'grows-by-generation', 'is found');
    my ($f) = @{ $json->{findings} };
    is($f->{figures}{parent_bytes_per_reload}, 102400, 'with its figure') or diag(explain($f));
    like($f->{what}, qr/100 KiB behind in the parent, in pools/, 'in pools: ' . $f->{what});
    # the same on the other faces
    my %text = map { /^(\S+): (.*)/ ? ($1, $2) : () } split /\n/, $s->fetch('/pool-status?auto')->{body};
    is($text{"Generation.$_.ParentBytes"}, generation($json, $_)->{parent_bytes}, "generation $_ in text") for $first .. $n;
    my $page = $s->fetch('/pool-status')->{body};
    my $exact = reverse join ',', unpack '(A3)*', reverse $parent[-1];
    like($page, qr{<table class="generations">.*<th scope="row">$n</th>.*title="$exact bytes"}s, 'and on the page');
    like($page, qr{\d+ bytes a reload, over \d+}, 'with its growth');
};

is($s->json->{findings}[0]{blamed}, 'mod_poolprobe.so', 'by the probe, which took it as it was configured');

subtest 'then none' => sub {
    $s->write_conf(conf => "PoolProbeLeak pool 0\n");
    ok(reload(++$n), "restart $n") for 1 .. 2;
    is(findings(), '', 'a reload that leaves nothing behind ends it');
};

subtest '300,000 bytes from malloc per reload' => sub {
    $s->write_conf(conf => "PoolProbeLeak malloc 300000\n");
    ok(reload(++$n), "restart $n") for 1 .. 4;
    my ($f) = @{ $s->json->{findings} };
    is(findings(), 'grows-by-generation', 'is found') or return diag(explain($s->json->{generation_growth}));
    like($f->{what}, qr/outside of pools/, 'outside of pools: ' . $f->{what});
    cmp_ok(abs($f->{figures}{parent_private_bytes_per_reload} - 300000), '<', 50000, "$f->{figures}{parent_private_bytes_per_reload} bytes a reload");
};

subtest '5 KiB in small pieces per reload: a node of 8 KiB each time or none' => sub {
    $s->write_conf(conf => "PoolProbeLeak pieces 5120\n");
    my $first = $n + 1;
    ok(reload(++$n), "restart $n") for 1 .. 4;
    my $json = $s->json;
    my @used = map { generation($json, $_)->{lasting_bytes} } $first .. $n;
    is(join(' ', map { $used[$_] - $used[ $_ - 1 ] } 1 .. $#used), join(' ', (5120) x $#used), 'what is used grows by so much') or diag("@used");
    my ($f) = grep { $_->{id} eq 'grows-by-generation' } @{ $json->{findings} };
    ok($f, 'is found') or return diag(explain($json->{generation_growth}));
    cmp_ok(abs($f->{figures}{lasting_bytes_per_reload} - 5120), '<', 64, "with its figure: $f->{figures}{lasting_bytes_per_reload}");
    is($f->{blamed}, 'mod_poolprobe.so', 'and by whom');
};

subtest '4 MiB of shared memory per reload' => sub {
    $s->write_conf(conf => "PoolProbeLeak shared 4194304\n");
    ok(reload(++$n), "restart $n") for 1 .. 4;
    my $json = $s->json;
    my ($f) = grep { $_->{id} eq 'shared-by-generation' } @{ $json->{findings} };
    ok($f, 'is found') or return diag(explain($json->{generation_growth}));
    is($f->{blamed}, 'mod_poolprobe.so', 'and by whom') or diag(explain($f));
    cmp_ok(abs($f->{figures}{shared_bytes_per_reload} - 4194304), '<', 300_000, "$f->{figures}{shared_bytes_per_reload} bytes a reload");
    my ($made) = grep { $_->{module} eq 'mod_poolprobe.so' } @{ generation($json, $n - 1)->{shared_made} };
    ok($made, 'what it made in a generation') or diag(explain(generation($json, $n - 1)));
    my ($segments) = grep { $_->{maker} eq 'mod_poolprobe.so' && $_->{count} == 4 } map { { %$_, maker => $_->{maker} // '' } } @{ $json->{segments} };
    ok($segments, 'four segments of its own') or diag(explain($json->{segments}));
};

subtest 'more generations than the board keeps' => sub {
    ok(reload(++$n), "restart $n") for 1 .. 16 - $n;
    my $json = $s->json;
    is(scalar @{ $json->{generations} }, 16, 'sixteen are there');
    is($json->{generations}[-1]{generation}, $n, 'the last ones');
};

is($s->stop, 0, 'stops in order');
done_testing;
