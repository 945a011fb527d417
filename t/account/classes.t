# Classes: pools with the same tag made at the same place, exactly, against what the probe
# saw of them by APR's public rule; a creator of tagged and untagged pools; lifetimes; the
# sum over all classes; tags by the hundred.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

# a child of its own for each question: classes stay for as long as the child
my $s = PST::Server->new('classes', limits => mpm() eq 'prefork'
    ? "StartServers 3\nMinSpareServers 3\nMaxSpareServers 3\nServerLimit 6\nMaxRequestWorkers 6\n"
    : "StartServers 2\nServerLimit 2\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 16\nMaxRequestWorkers 16\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

my $MIB3 = 3_000_000;    # above MaxMemFree: no free list hands out more than was asked for

sub probe { return PST::Probe->start($_[0], hold => [qw(hold0 hold hold2)], port => $s->port, ask => $s->port) }

# the classes of a probe's child with this tag, made by the probe
sub classes {
    my ($json, $pid, $tag) = @_;
    return grep { $_->{tag} eq $tag && ($_->{module} // '') eq 'mod_poolprobe.so' } @{ child_of($json, $pid)->{classes} };
}
sub one {
    my @c = classes(@_);
    return @c == 1 ? $c[0] : @c ? { error => scalar @c } : { map { ($_ => 0) } qw(pools pools_created pools_left pools_destroyed reserved_bytes peak_bytes
        largest_bytes lifetime_seconds lifetime_max_seconds lifetime_mean_seconds) };
}

subtest '50 pools of a class' => sub {
    my $p = probe("pool=request&many=50&bytes=20000");
    my $pid = $p->arrived('hold0')->{pid};
    my $before = one($s->json, $pid, 'poolprobe-many');
    $p->release('hold0');
    my $report = $p->arrived('hold');
    my $json = $s->json;
    my $held = one($json, $pid, 'poolprobe-many');
    my $seen = time;
    is($held->{pools} - $before->{pools}, 50, 'are alive');
    is($held->{pools_created} - $before->{pools_created}, 50, 'were created');
    is($held->{pools_destroyed} - $before->{pools_destroyed}, 0, 'none destroyed');
    is($held->{reserved_bytes} - $before->{reserved_bytes}, $report->{reserved_after}, 'reserve what their nodes add up to');
    is($held->{peak_bytes}, $report->{reserved_after}, 'which is the peak');
    like($held->{place}, qr/^mod_poolprobe\.so/, 'made in the probe');
    cmp_ok($held->{offset}, '>', 0, 'at some place');
    ok(!$held->{other}, 'with a row of its own');
    my ($sum) = grep { $_->{tag} eq 'poolprobe-many' } @{ $json->{total}{classes} };
    is($sum->{pools}, 50, 'in the total too');
    is($sum->{reserved_bytes}, $report->{reserved_after}, 'with all their bytes');
    PST::wait_for(sub { time > $seen + 0.3 }, 5);
    my $kept = time - $seen;
    $p->release('hold');
    $p->arrived('hold2');
    my $gone = one($s->json, $pid, 'poolprobe-many');
    is($gone->{pools}, 0, 'afterwards none is alive');
    is($gone->{pools_destroyed} - $before->{pools_destroyed}, 50, 'all were destroyed');
    is($gone->{pools_created} - $before->{pools_created}, 50, 'none more created');
    is($gone->{reserved_bytes}, 0, 'nothing is reserved');
    is($gone->{peak_bytes}, $report->{reserved_after}, 'the peak is remembered');
    cmp_ok($gone->{lifetime_mean_seconds}, '>=', $kept * 0.99, "they lived for $kept s at least");
    cmp_ok($gone->{lifetime_mean_seconds}, '<', 30, 'and not for ever');
    cmp_ok($gone->{lifetime_max_seconds}, '>=', $gone->{lifetime_mean_seconds}, 'the longest no shorter than the mean');
    cmp_ok(abs($gone->{lifetime_seconds} - 50 * $gone->{lifetime_mean_seconds}), '<', 0.001, 'the mean is that of 50');
    $p->finish;
};

subtest 'the largest single pool' => sub {
    for my $bytes ($MIB3, 2 * $MIB3, $MIB3) {
        my $p = probe("pool=request&many=2&bytes=$bytes&tag=large");
        my $pid = $p->arrived('hold0')->{pid};
        my $before = one($s->json, $pid, 'large');
        $p->release('hold0');
        my $report = $p->arrived('hold');
        my $held = one($s->json, $pid, 'large');
        my $each = 8192 + node_size($bytes);
        is($report->{reserved_after}, 2 * $each, "the probe saw APR's rule");
        is($held->{largest_bytes}, $each > $before->{largest_bytes} ? $each : $before->{largest_bytes}, "$bytes bytes in each");
        $p->finish;
    }
};

subtest 'one place, tags and none' => sub {
    my $conn = PST::Conn->new($s->port);
    my $pid;
    my $round = sub {
        my ($many, $bytes, $tag) = @_;
        my $p = PST::Probe->start("pool=request&many=$many&bytes=$bytes&tag=$tag", conn => $conn, hold => ['hold'], port => $s->port, ask => $s->port);
        my $report = $p->arrived('hold');
        $pid //= $report->{pid};
        is($report->{pid}, $pid, "$many pools, tag $tag: the same child");
        my $json = $s->json;
        my %now = (mixed => one($json, $pid, 'mixed'), none => one($json, $pid, ''));
        $p->finish;
        return ($report->{reserved_after}, %now);
    };
    my ($bytes, %now) = $round->(20, 20000, 'mixed');
    is($now{mixed}{pools}, 20, 'those with the tag');
    is($now{mixed}{reserved_bytes}, $bytes, 'with all their bytes');
    ($bytes, %now) = $round->(30, 20000, 'none');
    is($now{none}{pools}, 30, 'those without: what was guessed to be tagged is corrected when it grows');
    is($now{none}{reserved_bytes}, $bytes, 'with all their bytes');
    is($now{mixed}{pools}, 0, 'none is left with the others');
    is($now{mixed}{reserved_bytes}, 0, 'nor a byte');
    is($now{mixed}{pools_created} - $now{mixed}{pools_left}, 20, 'nor in what was created');
    ($bytes, %now) = $round->(7, 0, 'mixed');
    is($now{mixed}{pools}, 7, 'tagged ones, which never grow');
    is($now{mixed}{reserved_bytes}, $bytes, 'with all their bytes');
    ($bytes, %now) = $round->(9, 0, 'none');
    is($now{none}{pools}, 9, 'untagged ones, which never grow: the place is not guessed for any more');
};

sub serves_json { my ($row) = @_; return $row->{request} && $row->{request}{line} =~ m{/pool-status/json} }

# the child that answers included: it reserves memory for what it says
sub not_summed {
    my ($json) = @_;
    my @wrong;
    for my $c (@{ $json->{children} }) {
        my %sum = (pools => 0, reserved_bytes => 0);
        for my $class (@{ $c->{classes} }) { $sum{$_} += $class->{$_} for keys %sum }
        push @wrong, "child $c->{pid}: $_ $sum{$_} of $c->{$_}" for grep { $sum{$_} != $c->{$_} } sort keys %sum;
    }
    return @wrong;
}

subtest 'all classes add up to the child' => sub {
    my $json;
    my @wrong;
    my %looked;
    ok(wait_for(sub {
        $json = $s->json;
        @wrong = not_summed($json);
        $looked{ grep({ serves_json($_) } @{ $_->{connections} }) ? 'answers' : 'quiet' }++ for @{ $json->{children} };
        return !@wrong && keys %looked == 2;
    }, 15), 'pools and bytes, to the byte, in every child, also in that which answers') or diag(join "\n", @wrong, 'looked at ' . keys %looked);
    for my $key (qw(pools pools_created pools_left pools_destroyed reserved_bytes)) {
        my ($all, $children) = (0, 0);
        $all += $_->{$key} for @{ $json->{total}{classes} };
        $children += $_->{$key} for map @{ $_->{classes} }, @{ $json->{children} };
        is($all, $children, "$key: the total is the children's sum");
    }
    my %known = map { ($_->{tag} => $_) } @{ $json->{total}{classes} };
    ok($known{$_}, "httpd's own: $_") for qw(request transaction pchild pconf);
    is($known{request}{function} // '', 'ap_create_request', 'made where httpd makes it');
    is($known{pconf}{place}, undef, 'what was there before the child has no place');
};

subtest 'more tags than rows' => sub {
    my $p = probe("pool=request&many=300&bytes=20000&tag=each");
    my $pid = $p->arrived('hold0')->{pid};
    $p->release('hold0');
    my $report = $p->arrived('hold');
    my $json = $s->json;
    my $child = child_of($json, $pid);
    cmp_ok(scalar @{ $child->{classes} }, '<=', 65, 'the table is bounded');
    my ($other) = grep { $_->{other} } @{ $child->{classes} };
    ok($other, 'the rest has a row of its own');
    my @own = grep { $_->{tag} =~ /^poolprobe-\d+$/ } @{ $child->{classes} };
    my %sum = (pools => $other->{pools}, reserved_bytes => $other->{reserved_bytes});
    for my $class (@own) { $sum{$_} += $class->{$_} for keys %sum }
    is($sum{pools}, 300, 'none is lost');
    is($sum{reserved_bytes}, $report->{reserved_after}, 'nor a byte');
    like($s->fetch("/pool-status?pid=$pid")->{body}, qr/all others/, 'the page says so');
    $p->release('hold');
    $p->arrived('hold2');
    ($other) = grep { $_->{other} } @{ child_of($s->json, $pid)->{classes} };
    is($other->{pools}, 0, 'afterwards none is alive');
    is($other->{reserved_bytes}, 0, 'nothing reserved');
    $p->finish;
};

subtest 'the faces' => sub {
    my $p = probe("pool=request&many=5&bytes=20000&tag=%3Cb%3E%26%22x");
    $p->release('hold0');
    my $pid = $p->arrived('hold')->{pid};
    my $json = $s->json;
    my $text = $s->fetch('/pool-status?auto')->{body};
    my $class = child_of($json, $pid)->{classes}[0];
    like($text, qr/^Child\.$pid\.Class\.1\.Tag: \Q$class->{tag}\E$/m, 'text: a class by child');
    like($text, qr/^Child\.$pid\.Class\.1\.ReservedBytes: \d+$/m, 'with its figures');
    like($text, qr/^TotalClass\.1\.Pools: \d+$/m, 'and in the total');
    unlike($s->fetch("/pool-status?pid=$pid")->{body}, qr/<b>&"x/, 'a tag is escaped');
    $p->finish;
};

is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
