# Random matched and weighted people, and what R makes of them: Rscript crosscheck.R writes crosscheck_people.csv and
# crosscheck_expected.csv beside itself. R 4.2.2, sandwich 3.0.2, survival 3.5.3.
suppressMessages({library(sandwich); library(survival)})
set.seed(20261128)
people <- list(); expected <- list()
say <- function(case, quantity, value) expected[[length(expected) + 1]] <<- data.frame(case, quantity, value = sprintf("%.17g", value))

# A case: treated, weight, set (NA: none), level of a covariate, two more covariates, day of the first re-offence or of leaving, event.
cohort <- function(case, sets, per_set, several, weighted) {
  rows <- do.call(rbind, lapply(seq_len(sets), function(s) {
    t <- if (several) sample(1:3, 1) else 1
    c <- sample(per_set, 1)
    data.frame(set = s, treated = rep(c(1, 0), c(t, c)), weight = rep(c(1, t / c), c(t, c)))
  }))
  n <- nrow(rows)
  if (!weighted) rows$weight[rows$treated == 0] <- rows$weight[rows$treated == 0] * sum(rows$treated == 0) / sum(rows$treated)
  rows$level <- sample(c("a", "b", "c"), n, TRUE, c(.5, .3, .2))
  rows$age <- round(rnorm(n, 30, 8)); rows$priors <- rpois(n, 3)
  if (weighted) { rows$set <- NA; rows$weight <- ifelse(rows$treated == 1, 1, runif(n, .05, 2)) }
  hidden <- if (weighted) rnorm(n) else rnorm(sets)[rows$set]
  p <- plogis(-.6 + .5 * hidden - .03 * (rows$age - 30) + .15 * rows$priors - .5 * rows$treated * (rows$level == "a"))
  rows$event <- rbinom(n, 1, p)
  rows$day <- ifelse(rows$event == 1, sample(0:364, n, TRUE), ifelse(runif(n) < .15, sample(0:364, n, TRUE), 365))
  cbind(case, rows)
}
cases <- list(cohort("pairs", 250, 1, FALSE, FALSE), cohort("sets", 220, 1:5, FALSE, FALSE),
              cohort("full", 160, 1:6, TRUE, FALSE), cohort("weights", 500, 1:4, FALSE, TRUE))
for (d in cases) {
  case <- d$case[1]; clustered <- !is.na(d$set[1])
  people[[length(people) + 1]] <- d
  # The whole, then each level: weighted regression on treatment, clustered on sets with Stata's correction.
  fit_of <- function(d) {
    m <- lm(event ~ treated, data = d, weights = weight)
    if (clustered) { g <- length(unique(d$set)); v <- vcovCL(m, cluster = d$set, type = "HC1"); df <- g - 1; se <- sqrt(v[2, 2]) }
    else {
      s <- sapply(1:0, function(t) { x <- d$event[d$treated == t]; w <- d$weight[d$treated == t]; mu <- sum(w * x) / sum(w)
        n <- sum(w)^2 / sum(w^2); c(mu, sum(w * (x - mu)^2) / (sum(w) - sum(w^2) / sum(w)), n) })
      a <- s[2, ] / s[3, ]; se <- sqrt(sum(a)); df <- sum(a)^2 / sum(a^2 / (s[3, ] - 1))
    }
    c(unname(coef(m)[2]), se, df)
  }
  report <- function(name, f) {
    say(case, paste0(name, "difference"), f[1]); say(case, paste0(name, "standard_error"), f[2])
    say(case, paste0(name, "low"), f[1] - qt(.975, f[3]) * f[2]); say(case, paste0(name, "high"), f[1] + qt(.975, f[3]) * f[2])
    say(case, paste0(name, "p_value"), 2 * pt(-abs(f[1] / f[2]), f[3]))
  }
  report("", fit_of(d))
  levels <- sort(unique(d$level)); fits <- sapply(levels, function(l) fit_of(d[d$level == l, ]))
  for (l in levels) report(paste0(l, "/"), fits[, l])
  # Whether the levels differ: one stacked regression gives the covariance of the three effects (sets hold people of several
  # levels); its diagonal is brought to the corrected variances.
  V <- diag(fits[2, ]^2)
  if (clustered) {
    m <- lm(event ~ 0 + level + level:treated, data = d, weights = weight)
    J <- vcovCL(m, cluster = d$set, type = "HC0", cadjust = FALSE)[4:6, 4:6]
    k <- fits[2, ] / sqrt(diag(J)); V <- J * outer(k, k)
  }
  C <- rbind(c(1, 0, -1), c(0, 1, -1)); x <- C %*% fits[1, ]
  q <- drop(t(x) %*% solve(C %*% V %*% t(C)) %*% x)
  say(case, "interaction/statistic", q); say(case, "interaction/p_value", pchisq(q, 2, lower.tail = FALSE))
  # Cumulative re-offending of both groups at three days; weights add up to Kish's effective number.
  for (t in 1:0) {
    g <- d[d$treated == t, ]; g$w <- g$weight * sum(g$weight) / sum(g$weight^2)
    k <- summary(survfit(Surv(day, event) ~ 1, data = g, weights = w, conf.type = "log-log", robust = FALSE), times = c(91, 182, 364), extend = TRUE)
    for (i in 1:3) { at <- paste0("curve", t, "/", c(91, 182, 364)[i]); say(case, at, 1 - k$surv[i]); say(case, paste0(at, "/low"), 1 - k$upper[i]); say(case, paste0(at, "/high"), 1 - k$lower[i]) }
  }
  # Hazard ratio of treatment, weighted and robust, clustered on sets where there are any.
  d$cluster <- if (clustered) d$set else seq_len(nrow(d))
  h <- summary(coxph(Surv(day, event) ~ treated, data = d, weights = weight, cluster = cluster, ties = "efron", control = coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 100)))
  say(case, "hazard/ratio", h$conf.int[1]); say(case, "hazard/standard_error", h$coefficients[4]); say(case, "hazard/p_value", h$coefficients[6])
  say(case, "hazard/low", h$conf.int[3]); say(case, "hazard/high", h$conf.int[4])
  # Doubly robust, on everybody: both models from scratch.
  f <- glm(treated ~ age + priors + level, binomial, d, control = glm.control(1e-14, 100))
  o <- glm(event ~ age + priors + level, binomial, d[d$treated == 0, ], control = glm.control(1e-14, 100))
  e <- fitted(f); m <- predict(o, d, type = "response"); r <- d$event - m; t <- d$treated
  w <- e / (1 - e); w0 <- w[t == 0] / sum(w[t == 0])
  m1 <- mean(r[t == 1]); m0 <- sum(w0 * r[t == 0])
  se <- sqrt(sum(((r[t == 1] - m1) / sum(t))^2) + sum((w0 * (r[t == 0] - m0))^2))
  say(case, "aipw/difference", m1 - m0); say(case, "aipw/standard_error", se); say(case, "aipw/p_value", 2 * pnorm(-abs((m1 - m0) / se)))
}
people <- do.call(rbind, people); people$weight <- sprintf("%.17g", people$weight)
write.csv(people[c("case", "treated", "weight", "set", "level", "age", "priors", "day", "event")], "crosscheck_people.csv", row.names = FALSE, quote = FALSE)
write.csv(do.call(rbind, expected), "crosscheck_expected.csv", row.names = FALSE, quote = FALSE)
