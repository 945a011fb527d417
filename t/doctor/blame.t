# Who is to blame: one module keeps memory in the process's, the connections' and the requests' pools, through httpd's own functions, too; another
# makes pools beside it, one, three or ten in each scope, and destroys them in order. Finely and coarsely sampled: the first
# is named in each scope, in 20 of 20 looks, the other never. And connections that grow by little each, by their sum.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'AddressSanitizer takes its time' if stage()->{san};
my $top = stage()->{top};
my $modules = "LoadModule poolguilty_module $top/mod_poolguilty.so\nLoadModule poolinnocent_module $top/mod_poolinnocent.so\n";
my $prefork = mpm() eq 'prefork';
my $limits = $prefork ? "StartServers 6\nMinSpareServers 2\nMaxSpareServers 20\nServerLimit 20\nMaxRequestWorkers 20\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my @clients;

# A client of its own: so many kept connections, a request on each in turn, so many seconds apart; and streams.
sub client {
    my ($port, $connections, $apart, $streams) = @_;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        my @streams = map { my $c = PST::Conn->new($port); $c->get('/guilty'); $c } 1 .. $streams;
        my @kept = map { PST::Conn->new($port) } 1 .. $connections;
        my $until = time + 170;
        while (time < $until) {
            for my $c (@kept) {
                $c->get('/small.txt') && $c->response->{status} or $c = PST::Conn->new($port) or POSIX::_exit(0);
                sleep $apart;
            }
            for my $s (@streams) { 1 while $s->_more(time + 0.001); $s->{buffer} = '' }
        }
        POSIX::_exit(0);
    }
    push @clients, $pid;
}
END { kill KILL => $_ and waitpid $_, 0 for @clients }

my %of;    # server => what is known of it
for my $profile (qw(512K 16K)) {
    for my $innocents (1, 3, 10) {
        my $s = PST::Server->new("blame-$profile-$innocents", limits => $limits, conf => $modules
            . "PoolStatProfile $profile\nPoolInnocents $innocents\nPoolGuilty process 1000\nPoolGuilty connection 1000\nPoolGuilty regex 1\n"
            . "<Location /guilty>\nSetHandler poolguilty\n</Location>\n");
        ok($s->start, "a server: $innocents innocent, PoolStatProfile $profile") or BAIL_OUT($s->start_text . $s->log_text);
        $of{"$innocents innocent, PoolStatProfile $profile"} = { server => $s, looks => {}, wrong => {} };
        client($s->port, 2, 0.04, 2);
    }
}
my @scopes = qw(process connection request);

# What one look says: of each scope those that are named
sub look {
    my ($it) = @_;
    my $json = eval { $it->{server}->json(timeout => 20) } or return;
    my %named;
    for my $c (@{ $json->{children} }) {
        my @verdicts = ([ process => $c->{verdict}{process} ],
            map { [ $_->{verdict}{scope}, $_->{verdict} ] } grep { $_->{verdict} && $_->{verdict}{scope} } @{ $c->{connections} });
        for (@verdicts) {
            my ($scope, $v) = @$_;
            $named{$scope}{ $v->{blamed} // 'nobody' } = $v if $v->{state} eq 'growing';
        }
    }
    $it->{wrong}{$_->{blamed}}++ for grep { $_->{blamed} && $_->{blamed} ne 'mod_poolguilty.so' && $_->{id} =~ /^growing/ } @{ $json->{findings} };
    for my $scope (@scopes) {
        my @who = sort keys %{ $named{$scope} // {} };
        $it->{wrong}{"$scope $_"}++ for grep { !/^(?:nobody|mod_poolguilty\.so)$/ } @who;
        # all that grow have a name: looks count from then on
        my $known = @who && !grep { $_ eq 'nobody' } @who;
        $it->{looks}{$scope}++, $it->{last}{$scope} = $named{$scope}{'mod_poolguilty.so'} if $known && "@who" eq 'mod_poolguilty.so';
        $it->{lost}{$scope}++ if !$known && @who && ($it->{looks}{$scope} // 0) > 0 && !$prefork;
    }
}
my $begun = time;
wait_for(sub {
    for my $it (values %of) {
        next if $it->{looked} && time - $it->{looked} < 1;
        look($it);
        $it->{looked} = time;
    }
    return !grep { my $it = $_; grep { ($it->{looks}{$_} // 0) < 20 } @scopes } values %of;
}, 150);
note(sprintf 'after %.0f s', time - $begun);
for my $name (sort keys %of) {
    my $it = $of{$name};
    subtest $name => sub {
        for my $scope (@scopes) {
            cmp_ok($it->{looks}{$scope} // 0, '>=', 20, "$scope: named in 20 looks");
            is($it->{lost}{$scope} // 0, 0, 'and in all since the first');
            my $v = $it->{last}{$scope} or next;
            cmp_ok($v->{share_percent} // 0, '>', 80, 'holds most of what stayed');
            like($v->{site}, { process => qr/poolguilty_(?:process|regex)/, connection => qr/poolguilty_connection/, request => qr/poolguilty_chunk/ }->{$scope},
                "its function: $v->{site}");
        }
        is(join(' ', %{ $it->{wrong} }), '', 'nobody else ever is');
        my ($regex) = grep { ($_->{by} // '') eq 'ap_pregcomp' } @{ $it->{server}->json->{total}{sites} };
        is($regex && $regex->{blamed}, 'mod_poolguilty.so', 'what it does by a function of httpd is its own');
        is($it->{server}->stop, 0, 'stops');
        unlike($it->{server}->log_text, qr/exit signal/, 'no crash');
    };
}
kill KILL => $_ and waitpid $_, 0 for splice @clients;

# 106 bytes a request, each connection a request in two seconds: in minutes none has grown by a node or two
SKIP: {
    skip 'a prefork child has one connection', 1 if $prefork;
    my $s = PST::Server->new('blame-sum', limits => "StartServers 1\nServerLimit 1\nThreadsPerChild 50\nThreadLimit 50\nMinSpareThreads 1\n"
        . "MaxSpareThreads 50\nMaxRequestWorkers 50\n", conf => $modules . "PoolGuilty connection 106\n");
    ok($s->start, 'a server for many connections') or BAIL_OUT($s->start_text . $s->log_text);
    client($s->port, 40, 0.02, 0);
    my ($found, $seen, $others) = (undef, 0, 0);
    ok(wait_for(sub {
        my $json = eval { $s->json(timeout => 20) } or return 0;
        ($found) = grep { $_->{id} eq 'growing-connections' } @{ $json->{findings} };
        $others += grep { $_->{id} =~ /^growing/ && $_->{blamed} && $_->{blamed} ne 'mod_poolguilty.so' } @{ $json->{findings} };
        $seen++ if $found && ($found->{blamed} // '') eq 'mod_poolguilty.so';
        sleep 0.5;
        return $seen >= 20;
    }, 120), 'many that grow by little are one finding, with a name, in 20 looks');
    is($others, 0, 'and nobody else');
    like($found->{what}, qr/^The connections of child \d+ grow by .* a minute together/, 'in sum') if $found;
    is($s->stop, 0, 'stops');
}
done_testing;
